"""Memory and time of every step against the number of galaxies, each step in a process of its own.

The raw file of N galaxies repeats the unmoved stamps of a semi-real file: an id and a position of
each row's own, and the parent's number, so that all repeats of a parent are in one part of the
sample.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from pix2z.config.section import read_params
from pix2z.dataset.splits import read_split
from pix2z.errors import InputError, Pix2zError
from pix2z.evaluation.figures.style import figure_file
from pix2z.files import write_json

ROOT = Path(__file__).parents[1]
SIZES = (5_000, 20_000, 80_000, 400_000)
RESULTS = Path("benchmarks/scale.json")
FIGURE = Path("docs/figures/scale.png")
LIMIT_MIB = 1536.0
MEMORY_TICKS = (50, 100, 200, 500, 1000, 2000)

STEPS = {
    "ingest": ("ingest",),
    "split": ("split",),
    "train": ("train", "full"),
    "evaluate": ("evaluate",),
}
LABELS = {
    "ingest": "ingest",
    "split": "split",
    "train": "train one epoch, and predict",
    "evaluate": "evaluate, 2000 resamples",
}
LOOKS = {
    "ingest": ("#0072B2", "o"),
    "split": ("#666666", "X"),
    "train": ("#D55E00", "s"),
    "evaluate": ("#CC79A7", "D"),
}


def bench_scale(work: Path, *, sizes: Sequence[int], source: Path) -> dict[str, Any]:
    """Measure every step for each size; results of other sizes are kept.

    Parameters
    ----------
    work : folder with room for the largest sample, 41 kB per galaxy; what is made there is removed.
    source : semi-real raw file, as the first stage of the pipeline writes it.
    """
    if not source.is_file():
        raise InputError(f"{source}: no such file; run `dvc repro semireal`, or give --source")
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sizes": {}}
    for n in sorted(sizes):
        logging.info("%d galaxies", n)
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"scale-{n}-", dir=work) as folder:
            found["sizes"][str(n)] = _measure(Path(folder), n, source)
        found["sizes"] = dict(sorted(found["sizes"].items(), key=lambda item: int(item[0])))
        found["limit_mib"] = LIMIT_MIB
        write_json(RESULTS, found)
        plot_scale(found["sizes"], FIGURE)
    return found


def write_survey(path: Path, n: int, source: Path) -> None:
    """Write a raw file of n galaxies with the pixels of `source`."""
    with h5py.File(source, "r") as real, h5py.File(path, "w") as file:
        n_real = _leading_unmoved(real)
        row, repeat = np.arange(n) % n_real, np.arange(n) // n_real
        for name, values in _columns(real, row, repeat).items():
            file[name] = values
        shape = real["images"].shape[1:]
        images = file.create_dataset("images", (n, *shape), real["images"].dtype)
        for start in range(0, n, n_real):
            stop = min(start + n_real, n)
            images[start:stop] = real["images"][: stop - start]
        file.attrs["source"] = f"{real.attrs['source']}; stamps repeated to {n} for a benchmark"


def _leading_unmoved(real: h5py.File) -> int:
    moved = np.flatnonzero(real["truth/moved"][...])
    return int(moved[0]) if len(moved) else len(real["images"])


def _columns(real: h5py.File, row: np.ndarray, repeat: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the repeated rows; ids count on, and each repeat is elsewhere on the sky."""
    kept = ("e_bv", "specz_redshift", "specz_redshift_err")
    kept += ("truth/parent", "truth/moved", "truth/psf_fwhm")
    columns = {name: real[name][...][row] for name in kept}
    ids = real["ObjID"][...]
    columns["ObjID"] = ids[row] + repeat * (int(ids.max()) + 1)
    turn = 360.0 * repeat / (int(repeat.max()) + 1)
    columns["ra"] = (real["ra"][...][row] + turn + 1e-7 * row) % 360.0
    columns["dec"] = real["dec"][...][row]
    return columns


def _measure(folder: Path, n: int, source: Path) -> dict[str, Any]:
    raw = folder / "data" / "raw"
    raw.mkdir(parents=True)
    write_survey(raw / "survey.h5", n, source)
    params = read_params(ROOT / "params.yaml")
    params["ingest"] |= {"source": "data/raw/survey.h5", "layout": "sdss32"}
    params["hybrid"] |= {"epochs": 1}
    params["arms"] = {"full": params["arms"]["full"] | {"seeds": [1]}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_json(folder / "reports/tuning/best_params.json", {})
    steps = {}
    for name, arguments in STEPS.items():
        steps[name] = _step(folder, *arguments)
        logging.info("%s: %.0f MiB, %.1f s", name, steps[name]["peak_mib"], steps[name]["seconds"])
    ingested = json.loads((folder / "reports/ingest.json").read_text())
    parts = read_split(folder / "data/splits/full.h5").parts()
    counts = {"kept": ingested["n_good"]} | {part: len(rows) for part, rows in parts.items()}
    return {"galaxies": counts, "steps": steps}


def _step(folder: Path, stage: str, *arguments: str) -> dict[str, float]:
    """Run one stage in `folder`: seconds from its start to its end, and its largest memory."""
    peak = folder / "peak.txt"
    command = [sys.executable, "-m", "benchmarks.peak", str(peak), f"pix2z.stages.{stage}"]
    log_path = folder / "log.txt"
    with log_path.open("w", encoding="utf-8") as log:
        start = time.perf_counter()
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env=os.environ
            | {
                "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
                "MLFLOW_TRACKING_URI": f"sqlite:///{folder.resolve()}/mlflow.db",
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        last = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise Pix2zError(f"{stage} failed: {' | '.join(last)}")
    return {"peak_mib": float(peak.read_text()), "seconds": round(seconds, 1)}


def plot_scale(sizes: dict[str, Any], path: Path) -> None:
    """Draw peak memory and seconds of every step against the number of galaxies."""
    n = [int(size) for size in sizes]
    with figure_file(path, width=8.4, height=3.8) as figure:
        axes = figure.subplots(1, 2)
        for name, (color, marker) in LOOKS.items():
            for one, key in zip(axes, ("peak_mib", "seconds"), strict=True):
                values = [entry["steps"][name][key] for entry in sizes.values()]
                one.plot(n, values, color=color, marker=marker, label=LABELS[name])
        for one in axes:
            one.set_xscale("log")
            one.set_yscale("log")
            one.set_xticks(n, [f"{size // 1000}k" for size in n])
            one.minorticks_off()
            one.set_xlabel("galaxies in the raw file")
        axes[0].axhline(LIMIT_MIB, color="black", linestyle="--", linewidth=1.0)
        axes[0].annotate("1.5 GiB", (n[0], LIMIT_MIB), xytext=(0, 3), textcoords="offset points")
        axes[0].set_ylim(50, 2500)
        axes[0].set_yticks(MEMORY_TICKS, [str(tick) for tick in MEMORY_TICKS])
        axes[0].set_ylabel("peak resident memory, MiB")
        axes[1].yaxis.set_major_formatter("{x:g}")
        axes[1].set_ylabel("seconds, start of Python included")
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(LOOKS)
        )
