"""Spectrum networks beside the made-up files of the stages before: small, no TensorFlow."""

import hashlib
import json
import math
import shutil
from pathlib import Path

import pytest

PNG = b"\x89PNG\r\n\x1a\n"
ARMS = {"full": ("physics", "full"), "plain": ("plain", "full")}
METRICS = ("crps", "mae", "nmad")


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())


def write_network(root: Path, name: str, weights: bytes) -> str:
    """Write what a training leaves; return the digest of the network."""
    decoder, selection = ARMS[name]
    folder, n = root / "spectrum/models" / name, 4
    write(folder / "weights.weights.h5", weights)
    write(folder / "basis.h5", b"basis")
    saved = {
        "schema": "pix2z-spectrum 1",
        "decoder": decoder,
        "settings": {"wavelength": {"low": 3800.0, "high": 9200.0, "n": 400}, "stride": 4},
        "encoder": {"dense_units": [256, 128]},
        "redshifts": {"z_min": 0.0, "z_max": 0.4},
        "error_band": {"extra": [0.1]},
        "record": {
            "arm": name,
            "selection": selection,
            "seed": 1,
            "training_key": f"key of {weights.decode()}",
            "inputs": {
                "galaxies_sha256": "a" * 64,
                "spectra_sha256": "b" * 64,
                "split_sha256": "c" * 64,
            },
            "targets": "parent",
        },
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "basis_sha256": hashlib.sha256(b"basis").hexdigest(),
    }
    saved["digest"] = hashlib.sha256(json.dumps(saved).encode()).hexdigest()
    write(folder / "spectrum.json", saved)
    history = {
        "epoch": list(range(n)),
        "loss": [0.02 * math.exp(-0.3 * e) for e in range(n)],
        "val_loss": [0.03 * math.exp(-0.3 * e) for e in range(n)],
        "learning_rate": [0.002] * n,
        "seconds": [1.5] * n,
        "best_epoch": n - 1,
        "cpu_seconds": 12.0,
        "n_train": 500,
    }
    write(folder / "history.json", history)
    return saved["digest"]


def scores(digest: str | None, mse: float):
    return {
        "mse": {"value": mse, "low": 0.9 * mse, "high": 1.1 * mse},
        "mae": {"value": 0.05, "low": 0.04, "high": 0.06},
        "coverage_68": 0.69,
        "coverage_95": 0.94,
        "colours": {
            "g-r": {
                "against_target": {"n": 100, "median": 0.01, "nmad": 0.04},
                "against_measured": {"n": 0, "median": None, "nmad": None},
            }
        },
        "h_alpha": {"n": 80, "found": 0.9, "nmad": 0.002},
        "model_digest": digest,
    }


def ways(names):
    metrics = {m: {"value": 0.01 * i, "low": None, "high": None} for i, m in enumerate(METRICS, 1)}
    return {"ways": {way: {"whole": metrics, "inside": metrics, "outside": {}} for way in names}}


def write_report(root: Path, digests: dict[str, str], *, mse: float = 0.004) -> None:
    control = scores(None, 0.01)
    report = {
        "targets": {"kind": "parent", "source": "made-up spectra"},
        "test": {"n": 100, "n_inside": 95},
        "arms": {n: scores(d, mse) for n, d in digests.items()} | {"mean_spectrum": control},
        "contrasts": [],
        "redshifts": {
            "full": ways(("direct", "network", "templates")),
            "plain": ways(("direct", "templates")),
        },
    }
    write(root / "reports/spectrum.json", report)
    for figure in ("spectra", "ways", "error_by_wavelength"):
        write(root / f"reports/spectrum/{figure}.png", PNG)


@pytest.fixture
def networks(root: Path) -> dict[str, str]:
    """Two trained and assessed networks: arm -> digest."""
    digests = {name: write_network(root, name, name.encode()) for name in ARMS}
    write_report(root, digests)
    return digests


@pytest.fixture
def retrain_network(root: Path):
    """Write other weights of an arm; return the digest."""
    return lambda name, weights: write_network(root, name, weights)


@pytest.fixture
def assess(root: Path):
    """Write the report anew."""
    return lambda digests, mse: write_report(root, digests, mse=mse)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, empty_database: Path):
    """A folder whose networks are registered, made once and never altered; its client."""
    from mlflow import MlflowClient

    from pix2z.tracking.register import register

    root = tmp_path_factory.mktemp("shown")
    shutil.copy(empty_database, root / "mlflow.db")
    write(root / "data/galaxies.h5", b"galaxies")
    write_report(root, {name: write_network(root, name, name.encode()) for name in ARMS})
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setenv("DVC_ROOT", str(root))
        register(root, {}, ARMS)
    return root, MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
