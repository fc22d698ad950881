"""Redshifts without Keras beside Keras and the published CNN, on a finished run, in turns.

From memory: stamps of the default run through pools of its arm `full`. End to end: an uncompressed
file of the renderer's layout into a Parquet table with limits and flags. First redshift: the whole
command, from its start, on a file of one galaxy. Each number is a median over rounds in which all
take their turn.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np

from benchmarks.graph_times import graph_times
from pix2z.catalogue.estimates import predict_survey
from pix2z.catalogue.estimator import Estimator
from pix2z.catalogue.tables import write_catalogue
from pix2z.dataset.store import open_galaxies
from pix2z.inference.estimator import load_pool
from pix2z.ingest.source import open_source
from pix2z.network import estimator as keras_estimator
from pix2z.network.pool import save_pool
from pix2z.process import cores
from pix2z.saved.sealed import calibration_of, read_pool, sample_density_of
from pix2z.tracking.model_names import SHIPPED

GALAXIES, RAW = Path("data/galaxies.h5"), Path("data/raw/semireal.h5")
POOL, PUBLISHED = Path("models/full"), Path("models/published_full/seed-1")
N, N_FILE, ROUNDS, STARTS = 8192, 65_536, 5, 5
GOALS = {
    "pool of three": 20_000,
    "student": 60_000,
    "end to end": 25_000,
    "first redshift": 1.0,
}

Work = Callable[[], Any]


def bench_inference() -> dict[str, Any]:
    """Galaxies per second and CPU microseconds per galaxy of each way, and seconds to the first."""
    with open_galaxies(GALAXIES) as galaxies:
        rows = np.arange(min(N, len(galaxies)))
        images, ebv = galaxies.images(rows), galaxies.column("ebv", rows)
    with TemporaryDirectory() as scratch:
        pools = {
            name: _pool_of(Path(scratch) / str(n), n)
            for n, name in ((3, "pool of three"), (5, "pool of five"))
        }
        light = {name: load_pool(at) for name, at in {"student": SHIPPED, **pools}.items()}
        networks = keras_estimator.load_pool(pools["pool of three"])
        published = keras_estimator.load_member(PUBLISHED).model
        inputs = {"images": images, "ebv": ebv}
        whole = np.flatnonzero(~np.isnan(images).any((1, 2, 3)))
        from_memory: dict[str, Work] = {
            **{name: _estimating(pool, images, ebv) for name, pool in light.items()},
            "student, no columns": lambda: light["student"].estimate(images, ebv),
            "pool of three, Keras": _estimating(networks, images, ebv),
            "published CNN, model.predict": lambda: published.predict(inputs, verbose=0),
        }
        large = _large_file(Path(scratch) / "large.h5")
        out = Path(scratch) / "z.parquet"
        to_file: dict[str, Work] = {
            name: _end_to_end(pool, large, out)
            for name, pool in (("pool of three", light["pool of three"]), ("Keras", networks))
        }
        return {
            "goals": GOALS,
            "cores": cores(),
            "from memory": in_turns(from_memory, n=len(rows)),
            "graph, microseconds": {
                name: graph_times(at, images[whole], ebv[whole])
                for name, at in (("student", SHIPPED), ("pool of three", pools["pool of three"]))
            },
            "file to Parquet": in_turns(to_file, n=N_FILE),
            "first redshift": _first_redshift(pools["pool of three"], Path(scratch)),
        }


def in_turns(ways: dict[str, Work], *, n: int) -> dict[str, dict[str, float]]:
    """Galaxies per second and CPU microseconds per galaxy, medians; one round does not count.

    Each round has an order of its own, so that none always follows the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in ways}
    rng = np.random.default_rng(1)
    for number in range(ROUNDS + 1):
        for name in rng.permutation(list(ways)).tolist():
            work = ways[name]
            start, cpu_start = time.perf_counter(), time.process_time()
            work()
            if number:
                seconds[name].append(time.perf_counter() - start)
                cpu_seconds[name].append(time.process_time() - cpu_start)
    return {
        name: {
            "galaxies_per_second": round(n / median(seconds[name])),
            "cpu_microseconds": round(1e6 * median(cpu_seconds[name]) / n, 1),
        }
        for name in ways
    }


def _estimating(pool: Estimator, images: np.ndarray, ebv: np.ndarray) -> Work:
    """With all columns of a table, since limits and flags are read off when they are asked for."""
    return lambda: pool.estimate(images, ebv).columns()


def _pool_of(folder: Path, n: int) -> Path:
    """Save the first members of the arm as a pool of their own."""
    described = read_pool(POOL)
    members = list(described["members"])[:n]
    for name in members:
        shutil.copytree(POOL / name, folder / name)
    calibration = calibration_of(described["calibration"])
    save_pool(folder, members, calibration, sample_density_of(described))
    return folder


def _large_file(path: Path) -> Path:
    """Write the renderer's galaxies again and again, `N_FILE` in all, uncompressed."""
    with h5py.File(RAW, "r") as raw, h5py.File(path, "w") as file:
        n = len(raw["images"])
        file.attrs.update(raw.attrs)
        for key, stored in raw.items():
            if isinstance(stored, h5py.Dataset) and stored.shape[:1] == (n,):
                shape = (N_FILE, *stored.shape[1:])
                chunks = (64, *stored.shape[1:]) if stored.ndim > 1 else None
                copied = file.create_dataset(key, shape, stored.dtype, chunks=chunks)
                copied.attrs.update(stored.attrs)
                for start in range(0, N_FILE, n):
                    copied[start : start + n] = stored[: N_FILE - start]
    return path


def _end_to_end(pool: Estimator, file: Path, out: Path) -> Work:
    def work() -> None:
        with open_source(file) as survey:
            write_catalogue(
                predict_survey(pool, survey),
                survey.table,
                grid=pool.grid,
                out=out,
                pdf=None,
                metadata={},
                advance=lambda _: None,
            )

    return work


def _first_redshift(pool: Path, scratch: Path) -> dict[str, float]:
    """Wall and CPU seconds of the whole command on one galaxy; the first start does not count."""
    file = scratch / "one.h5"
    with h5py.File(RAW, "r") as raw, h5py.File(file, "w") as one:
        for key, stored in raw.items():
            if isinstance(stored, h5py.Dataset):
                one[key] = stored[:1]
                one[key].attrs.update(stored.attrs)
        one.attrs.update(raw.attrs)
    arguments = ["predict", str(file), "--model", str(pool), "--out", str(scratch / "one.parquet")]
    command = [sys.executable, "-c", "from pix2z.cli import main; main()", *arguments]
    compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    seconds, cpu_seconds = [], []
    for _ in range(STARTS + 1):
        start, cpu_start = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, env=compiled)
        seconds.append(time.perf_counter() - start)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_seconds.append(used.ru_utime - cpu_start.ru_utime + used.ru_stime - cpu_start.ru_stime)
    return {
        "seconds": round(median(seconds[1:]), 2),
        "cpu_seconds": round(median(cpu_seconds[1:]), 2),
    }
