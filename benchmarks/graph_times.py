"""Where the time of a pool's graph goes: microseconds per galaxy of one thread, by operator."""

import json
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pix2z.inference.sessions import PORTION, open_session
from pix2z.saved.sealed import ONNX_FORM

__all__ = ["graph_times"]

N, ROUNDS = 1024, 30
SMALLEST = 0.3
"""Microseconds; operators that take less are added up."""


def graph_times(pool: Path, images: NDArray[Any], ebv: NDArray[Any]) -> dict[str, float]:
    """Microseconds per galaxy: "all" without a profiler; then what the profiler says of each.

    "Conv (5, 16, 16)" is the operator whose output has that shape for each galaxy. Stamps must be
    without NaN. Both are medians over portions or rounds; the profiler costs a little itself.
    """
    images, ebv = images[:N], ebv[:N]
    content = (pool / ONNX_FORM).read_bytes()
    session = open_session(content, name=str(pool))
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        _run(session, images, ebv)
        rounds.append(time.process_time() - start)
    profile = _profile(content, images, ebv)
    large = {name: value for name, value in profile.items() if value >= SMALLEST}
    rest = sum(profile.values()) - sum(large.values())
    times = {"all": 1e6 * median(rounds) / len(images), **large, "all others": rest}
    return {name: round(value, 1) for name, value in times.items()}


def _run(session: Any, images: NDArray[Any], ebv: NDArray[Any]) -> None:
    for first in range(0, len(images), PORTION):
        rows = slice(first, first + PORTION)
        session.run(None, {"images": images[rows], "ebv": ebv[rows]})


def _profile(content: bytes, images: NDArray[Any], ebv: NDArray[Any]) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "graph")
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        for _ in range(ROUNDS):
            _run(session, images, ebv)
        events = json.loads(Path(session.end_profiling()).read_text())
    durations = defaultdict(list)
    for event in events:
        if event["name"].endswith("kernel_time") and event["args"]["op_name"] != "If":
            (output, *_) = event["args"]["output_type_shape"] or [{"": []}]
            (shape,) = output.values()
            name = f"{event['args']['op_name']} {tuple(shape[1:])}"
            durations[name, event["args"]["node_index"]].append(event["dur"])
    total: dict[str, float] = defaultdict(float)
    for (name, _), values in durations.items():
        total[name] += float(np.median(values)) / PORTION
    return dict(sorted(total.items(), key=lambda item: -item[1]))
