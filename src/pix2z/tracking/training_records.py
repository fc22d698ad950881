"""models/ and reports/metrics/ -> one record per training, and one per arm for its pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pix2z.config.arms import Arm
from pix2z.files import read_json, text_digest
from pix2z.tracking.lineage import data_digest
from pix2z.tracking.record import DatasetUse, RunRecord, as_params, flatten, numbers

__all__ = ["CURVES", "SELECTIONS", "Trained", "read_trained", "run_name", "training_tag"]

CURVES = {"loss": "train_loss", "val_loss": "val_loss", "learning_rate": "learning_rate"}
"""Column of history.json -> name of the curve."""

SELECTIONS = {
    "full": "all training galaxies",
    "clipped": "the training galaxies within 2 sigma of the mean redshift",
    "equal_n": "a random subsample of the training galaxies, as many as the clipped sample has",
}
"""What a selection means, in words."""

_GALAXIES = "data/galaxies.h5"


@dataclass(frozen=True)
class Trained:
    """Everything the files say of one trained arm."""

    arm: str
    selection: str
    architecture: str
    folder: Path
    """models/<arm>."""
    digest: str
    """Of the pool."""
    pool: RunRecord
    members: tuple[RunRecord, ...]


def run_name(arm: str, seed: int) -> str:
    """Name of the run of one training."""
    return f"{arm}, seed {seed}"


def training_tag(arm: str, seed: int, training_key: str) -> str:
    """Return what ties a live run to its files: seeds and arms may start from the same inputs."""
    return f"{arm}/seed-{seed}/{training_key}"


def read_trained(root: Path, name: str, arm: Arm, *, recorded: Mapping[str, str]) -> Trained:
    """Read models/<name>, reports/metrics/<name>.json and the figures of one arm.

    Parameters
    ----------
    recorded : path -> digest, as DVC recorded it.
    """
    folder = root / "models" / name
    pool = read_json(folder / "pool.json")
    metrics_file = root / "reports/metrics" / f"{name}.json"
    metrics = read_json(metrics_file) if metrics_file.exists() else {}
    datasets = _datasets(root, arm, recorded)
    tags = {
        "arm": name,
        "selection": arm.selection,
        "architecture": arm.architecture,
        "galaxies_digest": datasets[0].digest,
        "split_digest": datasets[1].digest,
    }
    members = tuple(
        _member(folder / member, name, arm, metrics, tags, datasets) for member in pool["members"]
    )
    figures = {path: "figures" for path in _figures(root, name)}
    return Trained(
        arm=name,
        selection=arm.selection,
        architecture=arm.architecture,
        folder=folder,
        digest=pool["digest"],
        pool=_pool(folder, name, arm, pool, members, metrics, tags, datasets, figures),
        members=members,
    )


def _datasets(root: Path, arm: Arm, recorded: Mapping[str, str]) -> tuple[DatasetUse, ...]:
    split = f"data/splits/{arm.selection}.h5"
    return (
        DatasetUse("galaxies", _GALAXIES, data_digest(root, _GALAXIES, recorded), "training"),
        DatasetUse(f"rows of {arm.selection}", split, data_digest(root, split, recorded), "rows"),
    )
