"""Damaged files, each read in several ways: a result, or one line and exit code 2, never a hang.

40 files of each layout through the reader and ingest; 400 through the commands in the long suite.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from pix2z.ingest.galaxies import ingest
from tests.ingest.layout_files import USER_KEYS, first_galaxies, write_layout

from .mutations import mutate

N = 6
USER_MAPPING = {"images": "pix/stamps", "unit": "uJy", "bands": "zirgu", **USER_KEYS}
USER_OPTIONS = [part for item in USER_MAPPING.items() for part in ("-m", "=".join(item))]


def write(path: Path, *, layout: str, compressed: bool = False) -> None:
    write_layout(path, layout, first_galaxies(N), compressed=compressed)


def write_ingested(path: Path) -> None:
    raw = path.with_name("ingested.h5")
    write(raw, layout="sdss32")
    limits = {"z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}
    ingest(raw, path, layout="sdss32", check_photometry=False, **limits)
    raw.unlink()


LAYOUTS = {
    "sdss32.h5": (partial(write, layout="sdss32"), []),
    "nersc.h5": (partial(write, layout="nersc", compressed=True), []),
    "user.h5": (partial(write, layout="hdf5"), [*USER_OPTIONS, "--layout", "hdf5"]),
    "pasquet.npz": (partial(write, layout="pasquet"), []),
    "compressed.npz": (partial(write, layout="pasquet", compressed=True), []),
    "galaxies.h5": (write_ingested, []),
    "cube.fits": (partial(write, layout="fits"), ["-m", "redshift=z"]),
}
"""Whole files, one for each way in which galaxies are kept, and the options that read them."""

WORKERS = 2
WORKER = Path(__file__).with_name("worker.py")
LEFT = {"predict": ["z.csv", "z.hdf5"], "ingest": ["galaxies.h5"]}
"""What each way of reading a whole file leaves behind."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(40, id="reader"),
        pytest.param(400, id="commands", marks=pytest.mark.long),
    ],
)
def outcomes(request, tmp_path_factory) -> list[dict]:
    """Every way of reading every damaged file, and the whole ones first."""
    folder, per_layout = tmp_path_factory.mktemp("damaged"), request.param
    model = [request.getfixturevalue("trained_pool")] if per_layout > 40 else []
    shares: list[list] = [[] for _ in range(WORKERS)]
    for worker in range(WORKERS):
        (folder / f"share-{worker}").mkdir()
    for number, (name, (write, options)) in enumerate(LAYOUTS.items()):
        whole = folder / f"share-{number % WORKERS}" / name
        write(whole)
        shares[number % WORKERS].append((str(whole), options))
        for seed in range(per_layout):
            worker = seed % WORKERS
            damaged = folder / f"share-{worker}" / f"{whole.stem}-{seed}{whole.suffix}"
            mutate(whole, damaged, seed=seed)
            shares[worker].append((str(damaged), options))
    processes = [start(folder / f"share-{k}", share, model) for k, share in enumerate(shares)]
    entries = []
    for worker, process in enumerate(processes):
        process.wait()
        own = folder / f"share-{worker}"
        lines = (own / "results.jsonl").read_text().splitlines()
        assert process.returncode == 0, f"{lines[-1:]} {(own / 'log').read_text()[-3000:]}"
        entries += [json.loads(line) for line in lines]
    return [entry for entry in entries if "begun" not in entry]


def start(own: Path, share: list, model: list[Path]) -> subprocess.Popen:
    """Start a worker; HDF5 guards of its own, one thread, in a folder without params.yaml."""
    (own / "jobs.json").write_text(json.dumps(share))
    with (own / "log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, WORKER, own / "jobs.json", own / "results.jsonl", *model],
            cwd=own,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
            stdout=log,
            stderr=log,
        )


def test_whole_files_are_read_and_damaged_ones_end_in_a_result_or_in_one_line(outcomes):
    for entry in outcomes:
        name = Path(entry["file"]).name
        assert not entry["trace"], entry
        assert entry["code"] in ((0,) if name in LAYOUTS else (0, 2)), entry
        if entry["code"] == 2:
            assert entry["said"].startswith("error: "), entry
            assert len(entry["said"].splitlines()) == 1, entry
            assert len(entry["said"]) < 2000, entry
        elif name in LAYOUTS:
            assert entry.get("rows", N) == N, entry


def test_an_error_leaves_no_output_and_a_result_all_of_it(outcomes):
    for entry in outcomes:
        expected = LEFT.get(entry["way"], []) if entry["code"] == 0 else []
        assert entry.get("left", []) == expected, entry


def test_both_ends_are_reached(outcomes):
    """Damage that never harms, or always does, would prove little."""
    for name in set(LAYOUTS) - {"compressed.npz"}:  # whose checksum finds all there is
        damaged = f"{name.partition('.')[0]}-"
        codes = Counter(
            entry["code"] for entry in outcomes if Path(entry["file"]).name.startswith(damaged)
        )
        assert min(codes[0], codes[2]) > sum(codes.values()) / 24, (name, codes)
