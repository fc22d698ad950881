"""A trained pool, as its files say it is -> one record per training, and one for the pool."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pix2z.files import read_json, text_digest
from pix2z.tracking.record import DatasetUse, RunRecord, as_params, numbers

__all__ = ["CURVES", "TrainedPool", "member_record", "pool_record", "run_name", "training_tag"]

CURVES = {
    "loss": "curves/train_loss",
    "val_loss": "curves/val_loss",
    "learning_rate": "curves/learning_rate",
}
"""Column of history.json -> name of the curve.

MLflow draws what stands before a slash as a section of charts, in alphabetical order: learning
curves, then test metrics.
"""


@dataclass(frozen=True)
class TrainedPool:
    """What the files say of one trained pool: an arm, or a fine-tuned model."""

    name: str
    """What its runs are called by."""
    model: str
    """The registered model that it is a version of."""
    stage: str
    """What trained it, as `runs.source_tags` knows it."""
    what: str
    """``arm`` or ``fine-tuned model``."""
    sentence: str
    """What it is, in words."""
    folder: Path
    """Where pool.json and the members are."""
    pool: Mapping[str, Any]
    """pool.json."""
    tags: Mapping[str, str]
    """Of each of its runs; what the version has of them is chosen in `model_card`."""
    params: Mapping[str, str]
    """Of the run of the pool."""
    datasets: tuple[DatasetUse, ...]
    seed_metrics: Mapping[str, Mapping[str, float]]
    """Seed -> metrics of that network alone, as they are named in the store."""
    pool_metrics: Mapping[str, float]
    """As they are named in the store; ``test/<metric>`` are those of the card."""
    measured: str
    """On what the metrics were measured, in words."""
    beside: Mapping[str, str]
    """Prefix of metrics that the card gives beside ``test/`` -> what they are, in words."""
    artifacts: Mapping[Path, str] = field(default_factory=dict)
    """Files of the run of the pool, beside pool.json -> folder among its artifacts."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Artifacts of the run of the pool that are no files here: name -> text."""
    source: str = ""
    """Where the galaxies come from, in words."""
    remark: str = ""
    """What else is to be said of the pool, in words."""
    limits: tuple[str, ...] = ()
    """What it cannot do that others of its kind can, each in a sentence."""
    lineage: tuple[str, ...] = ()
    """What makes a training this one, beside its weights."""


def run_name(pool: str, seed: int) -> str:
    """Return the name of the run of one training."""
    return f"{pool}, seed {seed}"


def training_tag(pool: str, seed: int, training_key: str) -> str:
    """Return what ties a live run to its files; pools and seeds may start from the same inputs."""
    return f"{pool}/seed-{seed}/{training_key}"


def member_record(trained: TrainedPool, member: str) -> RunRecord:
    """Return the record of one training, from the files of that member."""
    folder = trained.folder / member
    estimator = read_json(folder / "estimator.json")
    history = read_json(folder / "history.json")
    seed, weights = estimator["record"]["seed"], estimator["weights_sha256"]
    seconds = sum(history["seconds"])
    params = {k: v for k, v in estimator.items() if k in ("architecture", "grid", "settings")}
    return RunRecord(
        key=text_digest(trained.name, member, weights, *trained.lineage),
        name=run_name(trained.name, seed),
        description=_member_words(trained, seed, history),
        started=(folder / "history.json").stat().st_mtime - seconds,
        seconds=seconds,
        tags={
            "stage": trained.stage,
            **trained.tags,
            "kind": "training",
            "seed": str(seed),
            "weights_digest": weights,
        },
        params=as_params({**params, "seed": seed, "n_train": history["n_train"]}),
        metrics={
            "best_epoch": history["best_epoch"],
            "best_val_loss": min(history["val_loss"]),
            "cpu_seconds": history["cpu_seconds"],
            **numbers({"base_val_loss": history.get("base_val_loss")}),
            **trained.seed_metrics.get(str(seed), {}),
        },
        curves={
            curve: list(zip(history["epoch"], history[column], strict=True))
            for column, curve in CURVES.items()
        },
        artifacts={folder / "estimator.json": "", folder / "history.json": ""},
        datasets=trained.datasets,
        training_key=training_tag(trained.name, seed, estimator["record"]["training_key"]),
    )


def _member_words(trained: TrainedPool, seed: int, history: Mapping[str, Any]) -> str:
    kept = " No epoch was better than the weights it began with: those are kept."
    return (
        f"One training, seed {seed}, of the {trained.what} {trained.sentence}\n\n"
        f"{len(history['epoch'])} epochs, the best at step {history['best_epoch']} of the curves; "
        f"{history['n_train']} training galaxies.{kept if history.get('base_kept') else ''} "
        "Metrics named test/ are of this seed alone: "
        f"the {trained.what} is judged by its pool (run *{trained.name}, pool*)."
    )


def pool_record(trained: TrainedPool, members: Sequence[RunRecord]) -> RunRecord:
    """Return the record of the pool, which owns its registered model."""
    calibration = trained.pool["calibration"]
    temperature = numbers(calibration) if calibration["kind"] == "temperature" else {}
    return RunRecord(
        key=trained.pool["digest"],
        name=f"{trained.name}, pool",
        description=_pool_words(trained, members),
        started=(trained.folder / "pool.json").stat().st_mtime,
        seconds=0.0,
        tags={
            "stage": trained.stage,
            **trained.tags,
            "kind": "pool",
            "pool_digest": trained.pool["digest"],
            "registered_model": trained.model,
            "weights_digests": json.dumps(
                {f"seed-{m.tags['seed']}": m.tags["weights_digest"] for m in members}
            ),
        },
        params={
            **trained.params,
            "calibration": calibration["kind"],
            "seeds": ", ".join(member.tags["seed"] for member in members),
        },
        metrics={
            **temperature,
            "cpu_seconds": round(sum(member.metrics["cpu_seconds"] for member in members), 1),
            **trained.pool_metrics,
        },
        artifacts={trained.folder / "pool.json": "", **trained.artifacts},
        texts=trained.texts,
        datasets=trained.datasets,
    )


def _pool_words(trained: TrainedPool, members: Sequence[RunRecord]) -> str:
    seeds = ", ".join(member.tags["seed"] for member in members)
    words = (
        f"The pool (mean of the PDFs, then calibrated) of the {trained.what} {trained.sentence}\n\n"
        f"Seeds {seeds}. This is what the registered model *{trained.model}* serves."
    )
    return f"{words}\n\n{trained.remark}" if trained.remark else words
