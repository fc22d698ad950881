"""``pix2z predict --dask``: one worker beside two, a million galaxies, and what 1e9 would take.

The galaxies are those of the default run, taken many times over by a virtual dataset: as many bytes
are read as a survey of that size has, though after the first time from memory. Each run is a
process of its own.
"""

import math
import os
import re
import resource
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
import pyarrow.parquet as pq

from pix2z.errors import InputError, Pix2zError
from pix2z.survey_scale.cluster import workers
from pix2z.survey_scale.partitions import PARTITION_ROWS

SOURCE, MODEL = Path("data/raw/semireal.h5"), Path("models/full")
COLUMNS = ("ObjID", "e_bv", "ra", "dec")
PIX2Z = "from pix2z.cli import main; main()"

ALONE, ROWS_ALONE = 131_072, 16_384
"""Galaxies of the comparison of one worker with two, and rows of their partitions."""

MILLION = 16 * PARTITION_ROWS
ROUNDS = 3
SURVEYS = (10**8, 10**9)
MANY_WORKERS = 1000
N_EMPTY, N_FOOTERS = 2000, 200


def bench_survey_scale() -> dict[str, Any]:
    """Return galaxies per second of one and two workers, and the hours of larger surveys."""
    for path in (SOURCE, MODEL):
        if not path.exists():
            raise InputError(f"{path}: no such file; run `make repro` before")
    with TemporaryDirectory(prefix="survey-scale-") as scratch:
        (Path(scratch) / SOURCE.name).symlink_to(SOURCE.absolute())
        compared = side_by_side(Path(scratch))
        written = compared["bytes_written_per_galaxy"]
        return {"cores": cores(), **compared, **at_scale(Path(scratch), written)}


def side_by_side(folder: Path) -> dict[str, Any]:
    """Run one worker and two in turn, on the same galaxies."""
    write_virtual(folder / "survey.h5", ALONE)
    rounds = [
        {
            n: predicted(folder, "survey.h5", f"{n}-{turn}", in_partitions(n, ROWS_ALONE))
            for n in (1, 2)
        }
        for turn in range(ROUNDS)
    ]
    rates, cpu = (
        {n: median([one[n][key] for one in rounds]) for n in (1, 2)}
        for key in ("galaxies_per_s", "cpu_seconds")
    )
    # Of tables in which hardly a galaxy comes twice, since repeats are compressed away.
    written = sum(one.stat().st_size for one in (folder / "1-0").glob("*.parquet")) / ALONE
    return {
        "galaxies": ALONE,
        "bytes_written_per_galaxy": round(written, 1),
        "rounds": rounds,
        "galaxies_per_s": rates,
        "share_of_linear": round(rates[2] / (2 * rates[1]), 3),
        # What two workers cost more than one; on a busy machine the one that can be trusted.
        "share_of_linear_by_cpu_seconds": round(cpu[1] / cpu[2], 3),
    }


def at_scale(folder: Path, written: float) -> dict[str, Any]:
    """Run a million galaxies with two workers and without Dask; say what more of them would take.

    written : bytes of a table per galaxy.
    """
    write_virtual(folder / "million.h5", MILLION)
    alone = {
        model: predicted(folder, "million.h5", "alone.parquet", [], model=model)
        for model in (str(MODEL), "student")
    }
    million, again = (
        predicted(folder, "million.h5", "million", in_partitions(2, PARTITION_ROWS))
        for _ in range(2)
    )
    tables = sorted((folder / "million").glob("*.parquet"))
    footer_s = per_call(lambda: pq.read_metadata(tables[0]), N_FOOTERS)
    with workers("local:2") as run_each:
        start = time.perf_counter()
        n_done = sum(1 for _ in run_each(abs, range(N_EMPTY)))
        tasks_per_s = n_done / (time.perf_counter() - start)
    measured = {
        "galaxies_per_cpu_second": round(MILLION / million["cpu_seconds"]),
        "bytes_read_per_galaxy": round(bytes_per_galaxy(folder / "million.h5")),
        "bytes_written_per_galaxy": written,
        "tasks_per_s": round(tasks_per_s),
        "ms_per_finished_partition": round(1000 * footer_s, 2),
    }
    return {
        "million_without_dask": alone,
        "million": million,
        "million_when_finished": again,
        "measured": measured,
        "extrapolated": {f"1e{round(math.log10(n))}": extrapolated(n, measured) for n in SURVEYS},
    }


def write_virtual(path: Path, n: int) -> None:
    """Write a file of n galaxies whose stamps are those of `SOURCE`, in turn, beside it."""
    with h5py.File(path.with_name(SOURCE.name)) as real, h5py.File(path, "w") as file:
        n_real, *stamp = real["images"].shape
        layout = h5py.VirtualLayout((n, *stamp), real["images"].dtype)
        source = h5py.VirtualSource(SOURCE.name, "images", real["images"].shape)
        for start in range(0, n, n_real):
            layout[start : start + n_real] = source[: min(n_real, n - start)]
        file.create_virtual_dataset("images", layout)
        for name in COLUMNS:
            file[name] = np.resize(real[name][...], n)
        file.attrs.update({name: real.attrs[name] for name in ("bands", "pixel_scale", "unit")})


def bytes_per_galaxy(path: Path) -> float:
    """Bytes that are read for a galaxy: its stamp as stored, and its columns."""
    with h5py.File(path) as file, h5py.File(path.with_name(SOURCE.name)) as real:
        stored = real["images"].id.get_storage_size() / len(real["images"])
        return stored + sum(file[name].dtype.itemsize for name in COLUMNS)


def in_partitions(n: int, rows: int) -> list[str]:
    """Return the options of n workers."""
    return ["--dask", f"local:{n}", "--partition-rows", str(rows)]


def predicted(
    folder: Path, name: str, out: str, options: list[str], *, model: str = str(MODEL)
) -> dict[str, float]:
    """Run the command: what it took, and what it says."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-c", PIX2Z, "predict", str(folder / name), "--model", model),
            *("--out", str(folder / out), *options),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise Pix2zError(f"pix2z predict failed: {done.stderr.strip()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
    }
    for key, pattern in (
        ("galaxies_per_s", r"\(([\d,]+) per s\)"),
        ("peak_mib_of_a_worker", r"at most ([\d,]+) MiB"),
    ):
        if said := re.search(pattern, " ".join(done.stdout.split())):
            found[key] = int(said[1].replace(",", ""))
    return found


def per_call(call: Callable[[], Any], n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n


def extrapolated(n: int, measured: dict[str, Any]) -> dict[str, float]:
    """Say what n galaxies take at the measured rates, and what limits the number of workers."""
    partitions = math.ceil(n / PARTITION_ROWS)
    rate, read = measured["galaxies_per_cpu_second"], measured["bytes_read_per_galaxy"]
    core_hours = n / rate / 3600
    return {
        "partitions": partitions,
        "terabytes_read": round(n * read / 1e12, 2),
        "gigabytes_written": round(n * measured["bytes_written_per_galaxy"] / 1e9, 1),
        "core_hours": round(core_hours, 1),
        "hours_on_2_cores": round(core_hours / 2, 1),
        f"minutes_on_{MANY_WORKERS}_cores": round(60 * core_hours / MANY_WORKERS, 1),
        f"gigabytes_per_s_read_by_{MANY_WORKERS}_cores": round(MANY_WORKERS * rate * read / 1e9, 1),
        "workers_that_one_scheduler_feeds": round(measured["tasks_per_s"] * PARTITION_ROWS / rate),
        "s_to_find_what_is_finished": round(
            partitions * measured["ms_per_finished_partition"] / 1e3, 1
        ),
    }


def cores() -> dict[str, int]:
    """Count the processors that this process may use, and the physical cores of the machine."""
    listed = subprocess.run(["lscpu", "-p=core,socket"], capture_output=True, text=True, check=True)
    physical = {line for line in listed.stdout.splitlines() if not line.startswith("#")}
    return {"usable": len(os.sched_getaffinity(0)), "physical": len(physical)}
