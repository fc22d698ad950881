"""Pools of redshift networks, whether of an arm or fine-tuned: what their runs and version say.

`arms` reads the files of either into a `Pool`; `pool_model` makes of it a run per network, a run of
the pool that owns a version of the registered model, and the card of that version.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pix2z.files import read_json, text_digest
from pix2z.tracking.cards import Card, metric_line
from pix2z.tracking.records import RunRecord, as_params, numbers
from pix2z.tracking.trainings import TrainedModel, run_name, training_run

__all__ = ["Pool", "first_estimator", "pool_digest", "pool_model"]

_METRICS = {
    "mae": "MAE, mean |dz|",
    "crps": "CRPS",
    "nmad": "NMAD of Δ = dz / (1 + z)",
    "bias_mean": "mean Δ",
    "outlier_005": "share of outliers, |Δ| above 0.05",
    "coverage_68": "coverage of the 68 % interval",
    "coverage_95": "coverage of the 95 % interval",
}
"""Metrics on the card."""

_INTERFACE = """\
**Input:** images (n, 32, 32, 5), float32, nanomaggies, bands u g r i z last, 0.396 arcsec per \
pixel; NaN where a pixel is masked or a band absent. Parameter `ebv`: E(B-V) of the n galaxies in \
magnitudes, or nothing.

**Output:** a row per galaxy: z_median, z_mean, z_mode, limits of the central 68 and 95 % \
intervals, flags (1: a band is absent, 2: pixels are masked, 4: E(B-V) unknown)."""


@dataclass(frozen=True)
class Pool:
    """What the files of an arm or of a fine-tuned model say, apart from its networks."""

    name: str
    """What its runs are called by."""
    model: str
    """The registered model."""
    stage: str
    """What trained it, as `runs.source_tags` knows it."""
    what: str
    """``arm`` or ``fine-tuned model``."""
    sentence: str
    """What it is, in words."""
    folder: Path
    tags: Mapping[str, str]
    """Of each of its runs."""
    params: Mapping[str, str]
    """Of the run of the pool."""
    seed_metrics: Mapping[str, Mapping[str, float]]
    """Seed -> metrics of that network alone, as they are named in the store."""
    pool_metrics: Mapping[str, float]
    """As they are named in the store; ``test/<metric>`` are those of the card."""
    measured: str
    """On what the metrics were measured, in words."""
    beside: Mapping[str, str]
    """Prefix of metrics that the card gives beside ``test/`` -> what they are, in words."""
    artifacts: Mapping[Path, str]
    """Files of the run of the pool, beside pool.json -> folder among its artifacts."""
    galaxies: str
    """Where the galaxies come from, in a sentence."""
    command: str
    """What trains it again."""
    out: str = ""
    """The output of DVC that it is."""
    remark: str = ""
    """What else is to be said of the pool, in words."""
    is_clipped: bool = False
    """Whether training left out the galaxies beyond 2 sigma of the mean redshift."""
    distinct: tuple[str, ...] = ()
    """What makes a training this one, beside its weights."""


def pool_digest(folder: Path) -> str:
    """Return the digest of the pool in a folder, as its pool.json has it."""
    return str(read_json(folder / "pool.json")["digest"])


def first_estimator(folder: Path) -> dict[str, Any]:
    """Read estimator.json of the first network of a pool."""
    first = next(iter(read_json(folder / "pool.json")["members"]))
    return dict(read_json(folder / first / "estimator.json"))


def pool_model(pool: Pool) -> TrainedModel:
    """Return a run per network, the run of the pool, and the card of the version.

    Raises
    ------
    InputError
        A file of the pool cannot be read; the message names it.
    """
    saved = read_json(pool.folder / "pool.json")
    trainings = [_training_run(pool, member) for member in saved["members"]]
    owner = _pool_run(pool, saved, trainings)
    return TrainedModel(
        name=pool.model,
        description=f"Redshifts of galaxies from five-band images. {pool.sentence}\n\n{_INTERFACE}",
        kind="pool",
        folder=pool.folder,
        members=tuple(saved["members"]),
        digest=saved["digest"],
        runs=(*trainings, owner),
        card=_card(pool, owner, n_train=trainings[0].params["n_train"]),
    )


def _training_run(pool: Pool, member: str) -> RunRecord:
    folder = pool.folder / member
    estimator, history = (read_json(folder / f"{n}.json") for n in ("estimator", "history"))
    seed, weights = estimator["record"]["seed"], estimator["weights_sha256"]
    settings = {k: v for k, v in estimator.items() if k in ("architecture", "grid", "settings")}
    return training_run(
        folder,
        history,
        key=text_digest(pool.name, member, weights, *pool.distinct),
        name=run_name(pool.name, seed),
        description=_training_words(pool, seed, history),
        tags={"stage": pool.stage, **pool.tags, "seed": str(seed), "weights_digest": weights},
        params=as_params({**settings, "seed": seed}),
        metrics=pool.seed_metrics.get(str(seed), {}),
        artifacts={folder / "estimator.json": ""},
        training_key=estimator["record"]["training_key"],
    )


def _training_words(pool: Pool, seed: int, history: Mapping[str, Any]) -> str:
    kept = " No epoch was better than the weights it began with: those are kept."
    return (
        f"One training, seed {seed}, of the {pool.what} {pool.sentence}\n\n"
        f"{len(history['epoch'])} epochs, the best at step {history['best_epoch']} of the curves; "
        f"{history['n_train']} training galaxies.{kept if history.get('base_kept') else ''} "
        "Metrics named test/ are of this seed alone: "
        f"the {pool.what} is judged by its pool (run *{pool.name}, pool*)."
    )


def _pool_run(pool: Pool, saved: Mapping[str, Any], trainings: Sequence[RunRecord]) -> RunRecord:
    calibration = saved["calibration"]
    seeds = ", ".join(training.tags["seed"] for training in trainings)
    words = (
        f"The pool (mean of the PDFs, then calibrated) of the {pool.what} {pool.sentence}\n\n"
        f"Seeds {seeds}. This is what the registered model *{pool.model}* serves."
    )
    return RunRecord(
        key=saved["digest"],
        name=f"{pool.name}, pool",
        description=f"{words}\n\n{pool.remark}" if pool.remark else words,
        started=(pool.folder / "pool.json").stat().st_mtime,
        seconds=0.0,
        tags={
            "stage": pool.stage,
            **pool.tags,
            "kind": "pool",
            "pool_digest": saved["digest"],
            "registered_model": pool.model,
            "weights_digests": json.dumps(
                {f"seed-{t.tags['seed']}": t.tags["weights_digest"] for t in trainings}
            ),
        },
        params={**pool.params, "calibration": calibration["kind"], "seeds": seeds},
        metrics={
            **(numbers(calibration) if calibration["kind"] == "temperature" else {}),
            "cpu_seconds": round(sum(t.metrics["cpu_seconds"] for t in trainings), 1),
            **pool.pool_metrics,
        },
        artifacts={pool.folder / "pool.json": "", **pool.artifacts},
    )


def _card(pool: Pool, owner: RunRecord, *, n_train: str) -> Card:
    grid = first_estimator(pool.folder)["grid"]
    return Card(
        kind="pool",
        uri=f"models:/{pool.model}/<version>",
        what=f"Pool of seeds {owner.params['seeds']} of the {pool.what} {pool.sentence}",
        remark=pool.remark,
        data=f"{pool.galaxies}{int(n_train):,} training images per network.",
        measured=pool.measured,
        metrics=tuple(_metric_lines(pool)),
        z_range=(grid["z_min"], grid["z_max"]),
        is_clipped=pool.is_clipped,
        command=pool.command,
        out=pool.out,
    )


def _metric_lines(pool: Pool) -> list[str]:
    metrics = pool.pool_metrics
    return [
        metric_line(
            words,
            metrics[f"test/{name}"],
            {said: metrics.get(f"{prefix}/{name}") for prefix, said in pool.beside.items()},
        )
        for name, words in _METRICS.items()
        if f"test/{name}" in metrics
    ]
