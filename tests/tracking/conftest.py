"""A folder with the files that the stages before registration leave, made up and small."""

import hashlib
import json
import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

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


def write_member(models: Path, arm: str, seed: int, weights: bytes) -> None:
    folder, n = models / arm / f"seed-{seed}", 5
    write(folder / "weights.weights.h5", weights)
    estimator = {
        "schema": 1,
        "architecture": ARMS[arm].architecture,
        "grid": {"z_min": 0.0, "z_max": 0.4, "n_bins": 180},
        "settings": {"learning_rate": 0.002, "dense_units": [256, 128]},
        "record": {"arm": arm, "selection": "full", "training_key": "inputs", "seed": seed},
        "calibration": {"kind": "temperature", "temperature": 1.1},
        "weights_sha256": weights.hex(),
        "digest": f"member-{arm}-{seed}-{weights.hex()}",
    }
    write(folder / "estimator.json", estimator)
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


def write_pool(models: Path, arm: str) -> None:
    members = {
        path.parent.name: json.loads(path.read_text())["digest"]
        for path in sorted((models / arm).glob("seed-*/estimator.json"))
    }
    calibration = {"kind": "temperature", "temperature": 1.05}
    digest = "pool-" + "-".join(members.values())
    pool = {"schema": 1, "members": members, "calibration": calibration, "digest": digest}
    write(models / arm / "pool.json", pool)


def write_predictions(folder: Path, pool: Path) -> None:
    """Predictions as the training stage leaves them, of the pool in another folder."""
    files = {"validation": "validation.hdf5", "calibration": "calibration.hdf5"}
    parts = {}
    for part, file in (files | {"test": "pool.hdf5"}).items():
        write(folder / file, f"made-up PDFs of {part}".encode())
        digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        parts[part] = {"file": file, "sha256": digest}
    of = json.loads((pool / "pool.json").read_text())["digest"]
    index = {"pool_digest": of, "test_digest": "test", "parts": parts}
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
    contrast |= {"p_holm": 0.01, "verdict": "Inside the clip window, full is better."}
    comparison = {
        "test": {"digest": "test", "n": 100, "n_inside": 95, "clip_window": [-0.006, 0.224]},
        "arms": {arm: {**subsets, "outside": {}} for arm in ARMS},
        "controls": {"trainz": {**subsets, "outside": {}}},
        "contrasts": [contrast],
        "seed_view": {},
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


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, created once: that takes seconds."""
    from pix2z.tracking.store import create_database

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    create_database(path)
    return path


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


@pytest.fixture(scope="session")
def tiny_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real hybrids that differ, small and with fresh weights."""
    import keras

    from pix2z.config.networks import HybridConfig
    from pix2z.network.architectures import hybrid_model
    from pix2z.network.estimator import Member, save_member, save_pool
    from pix2z.redshift_pdf.calibration import Temperature
    from pix2z.redshift_pdf.grid import RedshiftGrid

    grid = RedshiftGrid(0.0, 0.4, 20)
    settings = HybridConfig.read("params.yaml").model_copy(
        update={"trunk_filters": (4,), "dense_units": (8,)}
    )
    folder = tmp_path_factory.mktemp("pool")
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        member = Member(
            architecture="hybrid",
            model=hybrid_model(settings, grid=grid),
            grid=grid,
            settings=settings.model_dump(mode="json"),
            record={"seed": seed},
            calibration=Temperature(1.2),
        )
        save_member(folder / f"seed-{seed}", member)
    save_pool(folder, ["seed-1", "seed-2"], Temperature(1.1))
    return folder


@pytest.fixture(scope="session")
def tiny_record(tiny_pool: Path):
    """What registers `tiny_pool` as a version of pix2z-full, once a run is given."""
    from pix2z.tracking.packaging import ModelRecord

    return ModelRecord(
        name="pix2z-full",
        model_description="",
        folder=tiny_pool,
        members=("seed-1", "seed-2"),
        digest=json.loads((tiny_pool / "pool.json").read_text())["digest"],
        run_id="",
        card="",
        tags={"arm": "full", "architecture": "hybrid", "selection": "full"},
    )
