"""Files of spectrum networks and their assessment, made up and small."""

import hashlib
import json
from pathlib import Path

from tests.tracking.conftest import PNG, write, write_history

SPECTRUM_ARMS = {"full": ("physics", "full"), "plain": ("plain", "full")}
METRICS = ("crps", "mae", "nmad")


def write_network(root: Path, name: str, weights: bytes) -> str:
    """Write what a training leaves; return the digest of the network."""
    decoder, selection = SPECTRUM_ARMS[name]
    folder = root / "spectrum/models" / name
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
    write_history(folder)
    return saved["digest"]


def scores(digest: str | None, mse: float):
    colour = {"value": 0.04, "low": 0.03, "high": 0.05}
    return {
        "mse": {"value": mse, "low": 0.9 * mse, "high": 1.1 * mse},
        "mae": {"value": 0.05, "low": 0.04, "high": 0.06},
        "coverage_68": {"value": 0.69, "low": 0.68, "high": 0.7},
        "coverage_95": {"value": 0.94, "low": 0.93, "high": 0.95},
        "colours": {
            "g-r": {
                "against_target": {"n": 100, "median": 0.01, "nmad": colour},
                "against_measured": {"n": 0, "median": None, "nmad": dict.fromkeys(colour)},
            }
        },
        "h_alpha": {
            "n": 80,
            "found": {"value": 0.9, "low": 0.8, "high": 0.95},
            "nmad": {"value": 0.002, "low": 0.001, "high": 0.003},
        },
        "model_digest": digest,
    }


def ways(names):
    metrics = {m: {"value": 0.01 * i, "low": None, "high": None} for i, m in enumerate(METRICS, 1)}
    return {"ways": {way: {"whole": metrics, "inside": metrics, "outside": {}} for way in names}}


def write_assessment(root: Path, digests: dict[str, str]) -> None:
    report = {
        "targets": {"kind": "parent", "source": "made-up spectra"},
        "test": {"n": 100, "n_inside": 95},
        "arms": {name: scores(digest, 0.004) for name, digest in digests.items()}
        | {"mean_spectrum": scores(None, 0.01)},
        "contrasts": [],
        "redshifts": {
            "full": ways(("direct", "network", "templates")),
            "plain": ways(("direct", "templates")),
        },
    }
    write(root / "reports/spectrum.json", report)
    for figure in ("spectra", "ways", "error_by_wavelength"):
        write(root / f"reports/spectrum/{figure}.png", PNG)
