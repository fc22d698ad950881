"""A graph of ONNX Runtime, fed with stamps in portions that stay in a processor's cache."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pix2z.errors import InputError

__all__ = ["open_session", "outputs_of"]

PORTION = 64
"""Stamps per run of the graph, 1.3 MB; 32 to 256 took the same time within 5 %."""

MULTIPLE = 4
"""Portions are filled up to a multiple of this many stamps. ONNX Runtime takes logarithms of four
numbers at a time, and of those that are left over with another last digit; so the answer for a
galaxy does not depend on how many are beside it."""

Array = NDArray[np.float32]


def open_session(content: bytes, *, name: str) -> onnxruntime.InferenceSession:
    """Load a graph that computes in the thread which runs it; several may run it at once.

    Parameters
    ----------
    name : of the file, for the InputError where it is no graph that this version can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base of their own
        words = " ".join(str(error).split())
        raise InputError(f"{name}: ONNX Runtime cannot run it ({words})") from error


def outputs_of(
    session: onnxruntime.InferenceSession,
    images: Array,
    ebv: Array,
    *,
    apart: NDArray[np.int64],
    stamps: Array,
) -> list[Array]:
    """Return what the graph gives for images (n, 32, 32, 5) and E(B-V) (n,), n at least 1.

    Outputs are in the order of the graph. Stamps with NaN go through it apart from the others: that
    way takes half as long again.

    Parameters
    ----------
    apart : (m,) rows of all images with a NaN, and perhaps of some more.
    stamps : (m, 32, 32, 5) what is taken in their place.
    """
    if len(apart):
        images = images.copy()
        images[apart] = 0.0  # their outputs are replaced
    results = _in_portions(session, images, ebv)
    if len(apart):
        for whole, part in zip(results, _in_portions(session, stamps, ebv[apart]), strict=True):
            whole[apart] = part
    return results


def _in_portions(session: onnxruntime.InferenceSession, images: Array, ebv: Array) -> list[Array]:
    parts = []
    for first in range(0, len(images), PORTION):
        rows = slice(first, first + PORTION)
        parts.append(
            session.run(None, {"images": _filled_up(images[rows]), "ebv": _filled_up(ebv[rows])})
        )
    return [np.concatenate(outputs)[: len(images)] for outputs in zip(*parts, strict=True)]


def _filled_up(values: Array) -> Array:
    """Values (n, ...) and as many zeros as make n a multiple of `MULTIPLE`, in one piece."""
    if not (n_lacking := -len(values) % MULTIPLE):
        return np.ascontiguousarray(values)
    return np.concatenate([values, np.zeros((n_lacking, *values.shape[1:]), values.dtype)])
