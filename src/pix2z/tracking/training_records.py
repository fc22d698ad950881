"""models/ and reports/metrics/ -> one record per training, and one per arm for its pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pix2z.config.arms import Arm
from pix2z.files import read_json, text_digest
from pix2z.tracking.lineage import data_digest
from pix2z.tracking.record import DatasetUse, RunRecord, as_params, numbers

__all__ = [
    "GALAXIES",
    "CURVES",
    "TrainedArm",
    "member_record",
    "pool_record",
    "read_arm_files",
    "run_name",
    "training_tag",
]

CURVES = {
    "loss": "curves/train_loss",
    "val_loss": "curves/val_loss",
    "learning_rate": "curves/learning_rate",
}
"""Column of history.json -> name of the curve.

MLflow draws what stands before a slash as a section of charts, in alphabetical order: learning
curves, then test metrics.
"""

SELECTIONS = {
    "full": "all training galaxies",
    "clipped": "the training galaxies within 2 sigma of the mean redshift",
    "equal_n": "a random subsample of the training galaxies, as large as the clipped sample",
}
ARCHITECTURES = {
    "hybrid": "photometry inside the network beside a small convolutional trunk, into a PDF",
    "seed_cnn": "the published 421,725-parameter CNN with its own recipe",
}
GALAXIES = "data/galaxies.h5"


@dataclass(frozen=True)
class TrainedArm:
    """What the files say of one trained arm."""

    name: str
    arm: Arm
    folder: Path
    """models/<name>."""
    pool: Mapping[str, Any]
    """pool.json."""
    metrics: Mapping[str, Any]
    """reports/metrics/<name>.json; empty before evaluation."""
    datasets: tuple[DatasetUse, ...]
    figures: tuple[Path, ...]
    source: str
    """Where the galaxies come from, in words; empty where ingest left no report."""

    @property
    def tags(self) -> dict[str, str]:
        """Tags that every run of this arm carries."""
        return {
            "stage": "train",
            "arm": self.name,
            "selection": self.arm.selection,
            "architecture": self.arm.architecture,
            "galaxies_digest": self.datasets[0].digest,
            "split_digest": self.datasets[1].digest,
        }

    @property
    def sentence(self) -> str:
        """What the arm is, in words."""
        return (
            f"**{self.name}**: trained on {SELECTIONS[self.arm.selection]}; architecture "
            f"{self.arm.architecture} ({ARCHITECTURES[self.arm.architecture]})."
        )


def run_name(arm: str, seed: int) -> str:
    """Return the name of the run of one training."""
    return f"{arm}, seed {seed}"


def training_tag(arm: str, seed: int, training_key: str) -> str:
    """Return what ties a live run to its files; arms and seeds may start from the same inputs."""
    return f"{arm}/seed-{seed}/{training_key}"


def read_arm_files(root: Path, name: str, arm: Arm, *, recorded: Mapping[str, str]) -> TrainedArm:
    """Read the pool, metrics and figures of an arm; `recorded`: path -> digest known to DVC."""
    folder, split = root / "models" / name, f"data/splits/{arm.selection}.h5"
    metrics = root / "reports/metrics" / f"{name}.json"
    galaxies_digest, split_digest = (data_digest(root, p, recorded) for p in (GALAXIES, split))
    return TrainedArm(
        name=name,
        arm=arm,
        folder=folder,
        pool=read_json(folder / "pool.json"),
        metrics=read_json(metrics) if metrics.exists() else {},
        datasets=(
            DatasetUse("galaxies", GALAXIES, galaxies_digest, "training"),
            DatasetUse(f"split {arm.selection}", split, split_digest, "training rows"),
        ),
        figures=_figures(root / "reports/figures", name),
        source=_source(root / "reports/ingest.json"),
    )


def _source(report: Path) -> str:
    return str(read_json(report)["raw"]["source"]) if report.exists() else ""


def _figures(folder: Path, arm: str) -> tuple[Path, ...]:
    """Figures of this arm alone, and those that show all arms side by side."""
    names = (f"errors_{arm}", "training_curves", "redshift_density", "pit")
    return tuple(path for name in names if (path := folder / f"{name}.png").exists())


def member_record(trained: TrainedArm, member: str) -> RunRecord:
    """Return the record of one training, from models/<arm>/<member>/."""
    folder = trained.folder / member
    estimator = read_json(folder / "estimator.json")
    history = read_json(folder / "history.json")
    seed, weights = estimator["record"]["seed"], estimator["weights_sha256"]
    seconds = sum(history["seconds"])
    params = {k: v for k, v in estimator.items() if k in ("architecture", "grid", "settings")}
    return RunRecord(
        key=text_digest(trained.name, member, weights),
        name=run_name(trained.name, seed),
        description=_member_words(trained, seed, history),
        started=(folder / "history.json").stat().st_mtime - seconds,
        seconds=seconds,
        tags={**trained.tags, "kind": "training", "seed": str(seed), "weights_digest": weights},
        params=as_params({**params, "seed": seed, "n_train": history["n_train"]}),
        metrics={
            "best_epoch": history["best_epoch"],
            "best_val_loss": min(history["val_loss"]),
            "cpu_seconds": history["cpu_seconds"],
            **_test_metrics(trained.metrics.get("seeds", {}).get(str(seed), {})),
        },
        curves={
            curve: list(zip(history["epoch"], history[column], strict=True))
            for column, curve in CURVES.items()
        },
        artifacts={folder / "estimator.json": "", folder / "history.json": ""},
        datasets=trained.datasets,
        training_key=training_tag(trained.name, seed, estimator["record"]["training_key"]),
    )


def _member_words(trained: TrainedArm, seed: int, history: Mapping[str, Any]) -> str:
    return (
        f"One training, seed {seed}, of the arm {trained.sentence}\n\n"
        f"{len(history['epoch'])} epochs, the best at step {history['best_epoch']} of the curves; "
        f"{history['n_train']} training galaxies. Metrics named test/ are of this seed alone: "
        f"the arm is judged by its pool (run *{trained.name}, pool*)."
    )


def pool_record(trained: TrainedArm, members: Sequence[RunRecord]) -> RunRecord:
    """Return the record of the arm's pool, which owns its registered model."""
    calibration = trained.pool["calibration"]
    temperature = numbers(calibration) if calibration["kind"] == "temperature" else {}
    return RunRecord(
        key=trained.pool["digest"],
        name=f"{trained.name}, pool",
        description=_pool_words(trained, members),
        started=(trained.folder / "pool.json").stat().st_mtime,
        seconds=0.0,
        tags={
            **trained.tags,
            "kind": "pool",
            "pool_digest": trained.pool["digest"],
            "registered_model": f"pix2z-{trained.name}",
        },
        params={
            "architecture": trained.arm.architecture,
            "calibration": calibration["kind"],
            "selection": trained.arm.selection,
            "seeds": ", ".join(member.tags["seed"] for member in members),
        },
        metrics={
            **temperature,
            "cpu_seconds": round(sum(member.metrics["cpu_seconds"] for member in members), 1),
            **_test_metrics(trained.metrics.get("pool", {})),
        },
        artifacts={
            trained.folder / "pool.json": "",
            **{figure: "figures" for figure in trained.figures},
        },
        datasets=trained.datasets,
    )


def _pool_words(trained: TrainedArm, members: Sequence[RunRecord]) -> str:
    seeds = ", ".join(member.tags["seed"] for member in members)
    return (
        f"The pool (mean of the PDFs, then calibrated) of the arm {trained.sentence}\n\n"
        f"Seeds {seeds}. This is what the registered model *pix2z-{trained.name}* serves."
    )


def _test_metrics(subsets: Mapping[str, Any]) -> dict[str, float]:
    """``test/<metric>`` on the whole test set, ``test_inside/<metric>`` inside the clip window."""
    found: dict[str, float] = {}
    for subset, prefix in (("whole", "test/"), ("inside", "test_inside/")):
        values = numbers(subsets.get(subset, {}))
        found |= {f"{prefix}{name}": value for name, value in values.items()}
    return found
