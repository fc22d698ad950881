"""2,400 damaged files, each inspected, predicted and ingested: a result, or one line and code 2."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from pix2z.dataset.store import COLUMNS, write_galaxies
from pix2z.network.estimator import Member, fresh_model, save_member, save_pool
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.grid import RedshiftGrid

from .mutations import mutate

PER_LAYOUT = 400
WORKERS = 2
N = 6
WORKER = Path(__file__).with_name("worker.py")
USER_KEYS = {"images": "stamps", "redshift": "cat/z", "ra": "cat/ra", "dec": "cat/dec"}
USER_OPTIONS = [part for item in USER_KEYS.items() for part in ("-m", "=".join(item))]
USER_OPTIONS += ["-m", "unit=uJy", "-m", "bands=zirgu", "--layout", "hdf5"]


def stamps(side: int) -> np.ndarray:
    """Blobs with noise, (N, side, side, 5) nanomaggies, redder bands brighter."""
    rng = np.random.default_rng(5)
    x = np.arange(side) - (side - 1) / 2
    blob = np.exp(-(x[:, None] ** 2 + x**2) / 8)
    flux = np.array([0.3, 1.0, 2.0, 3.0, 4.0])
    images = blob[None, :, :, None] * flux + rng.normal(0, 0.03, (N, side, side, 5))
    return images.astype(np.float32)


def columns() -> dict[str, np.ndarray]:
    return {
        "specz_redshift": np.linspace(0.05, 0.2, N).astype("f4"),
        "specz_redshift_err": np.full(N, 1e-4, "f4"),
        "ObjID": np.arange(N) + 1237648720142532608,
        "ra": np.linspace(10.0, 20.0, N),
        "dec": np.linspace(-5.0, 5.0, N),
        "e_bv": np.full((N, 5), 0.1, "f4"),
    }


def write_seed(path: Path) -> None:
    _write_first(path, side=32, chunks=None)


def write_nersc(path: Path) -> None:
    _write_first(path, side=107, chunks=(1, 5, 107, 107))


def _write_first(path: Path, *, side: int, chunks: tuple[int, ...] | None) -> None:
    with h5py.File(path, "w") as file:
        images = stamps(side).transpose(0, 3, 1, 2)
        file.create_dataset("images", data=images, chunks=chunks, compression=chunks and "gzip")
        for key, values in columns().items():
            file[key] = values


def write_user(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["stamps"] = stamps(40)[..., ::-1] * np.float32(3.631)
        for key, name in (("cat/z", "specz_redshift"), ("cat/ra", "ra"), ("cat/dec", "dec")):
            file[key] = columns()[name]


def write_pasquet(path: Path, save=np.savez) -> None:
    facts = columns()
    names = {"z": "specz_redshift", "ra": "ra", "dec": "dec", "objID": "ObjID"}
    labels = np.zeros(N, [(name, facts[key].dtype) for name, key in names.items()])
    for name, key in names.items():
        labels[name] = facts[key]
    save(path, cube=stamps(64), labels=labels)


def write_pasquet_compressed(path: Path) -> None:
    write_pasquet(path, np.savez_compressed)


def write_ingested(path: Path) -> None:
    facts = columns()
    zeros = {name: np.zeros((N, 5) if name == "seeing" else N) for name in COLUMNS}
    known = {"object_id": facts["ObjID"], "group_id": facts["ObjID"], "row_origin": np.arange(N)}
    known |= {"specz_redshift": facts["specz_redshift"], "ra": facts["ra"], "dec": facts["dec"]}
    write_galaxies(
        path,
        columns={**zeros, **known},
        blocks=iter([stamps(32)]),
        source="test",
        source_sha256="0" * 64,
    )


LAYOUTS = {
    "seed.h5": (write_seed, []),
    "nersc.h5": (write_nersc, []),
    "user.h5": (write_user, USER_OPTIONS),
    "pasquet.npz": (write_pasquet, []),
    "compressed.npz": (write_pasquet_compressed, []),
    "galaxies.h5": (write_ingested, []),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A pool of one tiny network that was never trained."""
    keras.utils.set_random_seed(3)
    grid = RedshiftGrid(0.0, 0.4, 6)
    settings = {
        "precision": "float32",
        "use_ebv": True,
        "trunk_filters": [2],
        "dense_units": [4],
        "dropout": 0.0,
        "learning_rate": 0.001,
        "weight_decay": 0.0,
        "label_smoothing_dz": 0.0,
        "batch_size": 8,
        "epochs": 1,
        "patience": 1,
        "augment": False,
        "band_dropout": 0.0,
    }
    network = fresh_model("hybrid", settings, grid=grid)
    member = Member("hybrid", network, grid, settings, {"arm": "full", "seed": 1}, Temperature(1.0))
    folder = tmp_path_factory.mktemp("model")
    save_member(folder / "seed-1", member)
    save_pool(folder, ["seed-1"], Temperature(1.0))
    return folder


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, model) -> list[dict]:
    """Every way of reading every damaged file, and the whole ones first."""
    folder = tmp_path_factory.mktemp("damaged")
    jobs: list[tuple[str, list[str]]] = []
    for name, (write, options) in LAYOUTS.items():
        write(folder / name)
        jobs.append((str(folder / name), options))
        for seed in range(PER_LAYOUT):
            damaged = folder / f"{name.partition('.')[0]}-{seed}.{name.partition('.')[2]}"
            mutate(folder / name, damaged, seed=seed)
            jobs.append((str(damaged), options))
    shares = [jobs[worker::WORKERS] for worker in range(WORKERS)]
    found = _work(folder, shares, model)
    assert sum("begun" not in entry for entry in found) == 3 * len(jobs)
    return [entry for entry in found if "begun" not in entry]


def _work(folder: Path, shares: list[list], model: Path) -> list[dict]:
    """Let workers go through their shares; one that dies is replaced, its death written down."""
    alive = {worker: _start(folder, worker, share, model) for worker, share in enumerate(shares)}
    while alive:
        for worker, process in list(alive.items()):
            process.wait()
            if process.returncode == 0:
                del alive[worker]
                continue
            results = folder / f"share-{worker}" / "results.jsonl"
            last = json.loads(results.read_text().splitlines()[-1])
            assert last.pop("begun", False), (folder / f"share-{worker}/log").read_text()[-3000:]
            died = {"code": process.returncode, "said": "", "trace": f"died: {process.returncode}"}
            with results.open("a") as out:
                out.write(json.dumps({**last, **died}) + "\n")
            alive[worker] = _start(folder, worker, shares[worker], model)
    lines = [
        line
        for worker in range(len(shares))
        for line in (folder / f"share-{worker}" / "results.jsonl").read_text().splitlines()
    ]
    return [json.loads(line) for line in lines]


def _start(folder: Path, worker: int, share: list, model: Path) -> subprocess.Popen:
    own = folder / f"share-{worker}"
    if not own.exists():
        own.mkdir()
        moved = []
        for file, options in share:
            target = own / Path(file).name
            Path(file).rename(target)
            moved.append((str(target), options))
        (own / "jobs.json").write_text(json.dumps(moved))
        (own / "results.jsonl").touch()
    with (own / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, WORKER, own / "jobs.json", own / "results.jsonl", model],
            cwd=own,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
            stdout=log,
            stderr=log,
        )


def test_enough_files_are_damaged(outcomes):
    assert len({entry["file"] for entry in outcomes}) >= 2000


def test_whole_files_are_read(outcomes):
    whole = [entry for entry in outcomes if Path(entry["file"]).name in LAYOUTS]
    assert len(whole) == 3 * len(LAYOUTS)
    for entry in whole:
        assert entry["code"] == 0, entry
        assert entry.get("rows", N) == N
    kept = {"predict": ["z.csv", "z.hdf5"], "ingest": ["galaxies.h5"]}
    for entry in whole:
        assert entry.get("left", []) == kept.get(entry["command"], [])


def test_damage_ends_in_a_result_or_in_one_line(outcomes):
    bad = [entry for entry in outcomes if entry["trace"] or entry["code"] not in (0, 2)]
    assert not bad, f"{len(bad)}: {Counter(_kind(entry) for entry in bad).most_common(8)} {bad[0]}"
    for entry in outcomes:
        if entry["code"] == 2:
            assert entry["said"].startswith("error: "), entry
            assert len(entry["said"].splitlines()) == 1, entry
            assert len(entry["said"]) < 2000, entry


def _kind(entry: dict) -> str:
    return f"{entry['command']}: {str(entry['trace']).splitlines()[-1][:100]}"


def test_an_error_leaves_no_output(outcomes):
    for entry in outcomes:
        if entry["code"] != 0:
            assert entry.get("left", []) == [], entry


def test_both_ends_are_reached(outcomes):
    """Damage that never harms, or always does, would prove little."""
    for name in LAYOUTS:
        stem = name.partition(".")[0]
        codes = Counter(
            entry["code"] for entry in outcomes if Path(entry["file"]).name.startswith(f"{stem}-")
        )
        assert codes[0] > 50, (name, codes)
        assert codes[2] > 50, (name, codes)
