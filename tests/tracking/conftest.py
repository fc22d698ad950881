"""A folder with the files that the stages before registration leave, made up and small."""

import hashlib
import json
import math
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pix2z.config.arms import Arm
from pix2z.evaluation.metric_names import METRICS

ARMS = {
    "full": Arm(selection="full", architecture="hybrid", seeds=(1, 2)),
    "published_full": Arm(selection="full", architecture="published_cnn", seeds=(1,)),
}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060"
    "0000000500012f5e5a8a0000000049454e44ae426082"
)


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())


def git(folder: Path, *arguments: str) -> str:
    """Run git there as somebody; return what it says."""
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write_history(folder: Path, n: int = 5) -> None:
    history = {
        "epoch": list(range(n)),
        "loss": [2.0 * math.exp(-0.3 * e) for e in range(n)],
        "val_loss": [2.1 * math.exp(-0.3 * e) for e in range(n)],
        "learning_rate": [0.002] * n,
        "seconds": [1.5] * n,
        "best_epoch": n - 1,
        "cpu_seconds": 12.0,
        "n_train": 500,
    }
    write(folder / "history.json", history)


def write_member(models: Path, arm: str, seed: int, weights: bytes) -> None:
    folder = models / arm / f"seed-{seed}"
    write(folder / "weights.weights.h5", weights)
    estimator = {
        "schema": 1,
        "architecture": ARMS[arm].architecture,
        "grid": {"z_min": 0.0, "z_max": 0.4, "n_bins": 180},
        "settings": {"learning_rate": 0.002, "dense_units": [256, 128]},
        "record": {
            "arm": arm,
            "selection": "full",
            "training_key": "inputs",
            "inputs": {"galaxies_sha256": "a" * 64, "split_sha256": "b" * 64},
            "seed": seed,
        },
        "calibration": {"kind": "temperature", "temperature": 1.1},
        "weights_sha256": weights.hex(),
        "digest": f"member-{arm}-{seed}-{weights.hex()}",
    }
    write(folder / "estimator.json", estimator)
    write_history(folder)


def write_pool(models: Path, arm: str) -> None:
    members = {
        path.parent.name: json.loads(path.read_text())["digest"]
        for path in sorted((models / arm).glob("seed-*/estimator.json"))
    }
    calibration = {"kind": "temperature", "temperature": 1.05}
    digest = "pool-" + "-".join(members.values())
    pool = {"schema": 1, "members": members, "calibration": calibration, "digest": digest}
    write(models / arm / "pool.json", pool)


def write_predictions(folder: Path, pool: Path, *, test_digest: str = "test") -> None:
    """Predictions as the training stage leaves them, of the pool in another folder."""
    files = {"validation": "validation.hdf5", "calibration": "calibration.hdf5"}
    parts = {}
    for part, file in (files | {"test": "pool.hdf5"}).items():
        write(folder / file, f"made-up PDFs of {part}".encode())
        digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        parts[part] = {"file": file, "sha256": digest}
    of = json.loads((pool / "pool.json").read_text())["digest"]
    index = {"pool_digest": of, "test_digest": test_digest, "parts": parts}
    write(folder / "predictions.json", index)


def metric_values(offset: float):
    return {
        metric: {"value": offset + 0.01 * place, "low": None, "high": None}
        for place, metric in enumerate(METRICS)
    }


def write_reports(reports: Path) -> None:
    subsets = {"whole": metric_values(0.1), "inside": metric_values(0.05)}
    for arm in ARMS:
        seeds = {str(s): {"whole": {"mae": 0.02, "r2": None}} for s in ARMS[arm].seeds}
        write(reports / "metrics" / f"{arm}.json", {"arm": arm, "pool": subsets, "seeds": seeds})
    contrast = {"a": "full", "b": "published_full", "subset": "inside", "metric": "crps"}
    contrast |= {"difference": -0.002, "low": -0.003, "high": -0.001, "primary": True}
    contrast |= {"margin": 0.0002, "single_seed": [], "outcome": "better"}
    contrast |= {"p_holm": 0.01, "verdict": "Inside the clip window, full is better."}
    comparison = {
        "test": {"digest": "test", "n": 100, "n_inside": 95, "clip_window": [-0.006, 0.224]},
        "arms": {arm: {**subsets, "outside": {}} for arm in ARMS},
        "controls": {"trainz": {**subsets, "outside": {}}},
        "margin": 0.02,
        "contrasts": [contrast],
        "published_view": {},
    }
    write(reports / "compare.json", comparison)
    write(reports / "report.html", b"<h1>report</h1>")
    write(reports / "figures/errors_full.png", PNG)
    write(reports / "figures/pit.png", PNG)
    write(reports / "split.json", {"test_digest": "test"})
    write(reports / "ingest.json", {"raw": {"source": "made-up galaxies"}})
    settings = {"learning_rate": 0.001, "dense_units": [128, 64]}
    trials = [
        {
            "number": number,
            "settings": settings,
            "curve": {"0": 2.0, "1": 1.5 - 0.1 * number},
            "validation_loss": 1.5 - 0.1 * number,
            "state": "complete",
            "seconds": 4.0,
        }
        for number in range(3)
    ]
    importances = {"learning_rate": 0.7, "dense_units": 0.3}
    study = {"best_trial": 2, "importances": importances, "trials": trials}
    write(reports / "tuning/trials.json", study)
    write(reports / "tuning/best_params.json", settings)
    write(reports / "tuning/history.png", PNG)


def write_finetuned_report(folder: Path, *, training_key: str) -> None:
    values = {"crps": {"value": 0.01, "low": None, "high": None}, "r2": {"value": None}}
    report = {
        "name": folder.name,
        "pool_digest": json.loads((folder / "pool.json").read_text())["digest"],
        "training_key": training_key,
        "base": {"model": "full", "pool_digest": "0123456789abcdef"},
        "data": {
            "file": "mine.h5",
            "source": "made-up galaxies",
            "sha256": "0",
            "galaxies_digest": "sha256:1",
            "split_digest": "sha256:2",
            "test_digest": "of mine",
        },
        "settings": {"learning_rate": 0.001},
        "n": {"train": 1100, "validation": 240, "calibration": 260, "test": 400},
        "metrics": {"base": values, "recalibrated": values, "tuned": values},
        "seeds": {"1": {"crps": 0.011}, "2": {"crps": None}},
        "seen_before": {"words": "Nothing was compared."},
        "verdict": "It is better.",
    }
    (folder / "report.json").write_text(json.dumps(report))


def write_files(folder: Path) -> None:
    """Everything that the stages before registration leave."""
    for arm, values in ARMS.items():
        for seed in values.seeds:
            write_member(folder / "models", arm, seed, f"{arm}{seed}".encode())
        write_pool(folder / "models", arm)
    write(folder / "data/galaxies.h5", b"galaxies")
    write(folder / "data/splits/full.h5", b"rows")
    write_reports(folder / "reports")


@pytest.fixture
def root(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with an empty store of its own, known to be the repository."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    write_files(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Stamps of five galaxies; never altered."""
    images = np.random.default_rng(1).normal(0.1, 0.05, (5, 32, 32, 5)).astype(np.float32)
    images[1, :, :, 0] = np.nan
    images[2, :4] = np.nan
    images[4] -= 0.2  # no positive flux
    return images


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """Such a folder whose store holds both arms; made once, and never altered."""
    from pix2z.tracking.register import register

    folder = tmp_path_factory.mktemp("registered")
    shutil.copy(empty_database, folder / "mlflow.db")
    write_files(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setenv("DVC_ROOT", str(folder))
        register(folder, ARMS)
    return folder


def take_over_store(original: Path, root: Path) -> None:
    """Copy the store of a folder, but not its artifacts, for a test to write to below `root`.

    MLflow keeps absolute paths, and a mere copy would be refused.
    """
    shutil.copy(original / "mlflow.db", root / "mlflow.db")
    with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
        moved = "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)"
        connection.execute(moved, (str(original), str(root)))


def own_artifacts(original: Path, root: Path) -> None:
    """Copy the artifacts of a folder, too, for a test to alter below `root`."""
    shutil.copytree(original / "mlruns", root / "mlruns")
    with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
        for column in ("model_versions.storage_location", "runs.artifact_uri"):
            table, name = column.split(".")
            moved = f"UPDATE {table} SET {name} = replace({name}, ?, ?)"
            connection.execute(moved, (str(original), str(root)))


@pytest.fixture
def client(root: Path):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


@pytest.fixture
def registered_client(registered: Path):
    """Client of a store that holds both arms; for tests that only look."""
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{registered / 'mlflow.db'}")


@pytest.fixture
def retrain(root: Path):
    """Replace the weights of one seed, and the pool with them."""

    def replace(arm: str, seed: int, weights: bytes) -> None:
        write_member(root / "models", arm, seed, weights)
        write_pool(root / "models", arm)

    return replace


@pytest.fixture
def arms() -> dict[str, Arm]:
    return ARMS


@pytest.fixture
def finetuned(root: Path) -> Path:
    """finetuned/mine with the networks of `full`, as where no epoch was better."""
    folder = root / "finetuned/mine"
    shutil.copytree(root / "models/full", folder)
    pool = json.loads((folder / "pool.json").read_text())
    write(folder / "pool.json", {**pool, "digest": "pool-of-mine"})
    write_finetuned_report(folder, training_key="inputs")
    return folder


@pytest.fixture
def networks(root: Path) -> dict[str, str]:
    """Two trained and assessed spectrum networks: arm -> digest."""
    from tests.tracking.spectrum_files import SPECTRUM_ARMS, write_assessment, write_network

    digests = {name: write_network(root, name, name.encode()) for name in SPECTRUM_ARMS}
    write_assessment(root, digests)
    return digests


@pytest.fixture
def both(root, registered, client):
    """Both arms in the registry, and `full` there as champion, though not of production."""
    shutil.copy(registered / "mlflow.db", root / "mlflow.db")
    client.set_registered_model_alias("pix2z-full", "champion", "1")
    return root
