"""A fine-tuned pool against the pool that it started from, on the same test galaxies; report.json.

Three versions are measured: `base`, the pool as it came; `recalibrated`, the same networks with a
temperature by width and median fitted on the new calibration galaxies, of which the geometric mean
is written; `tuned`. What `tuned` gains over `recalibrated` it gains by its weights. Intervals are
of a paired bootstrap over groups: they hold which galaxies are in the test part, not the scatter of
trainings.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2z.config.evaluate import EvaluateConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.evaluation.arm_metrics import (
    json_number,
    measure,
    metric_values,
    with_interval,
)
from pix2z.evaluation.metric_names import METRICS, format_value
from pix2z.files import as_text, read_json, write_json
from pix2z.finetune.base import BasePool
from pix2z.finetune.training import recalibrate
from pix2z.network.estimator import load_pool
from pix2z.network.predictions import predict_batches, write_pool_predictions
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

__all__ = ["PAIRS", "SHOWN", "VERSIONS", "compared_metrics", "terms_of", "verdict", "write_report"]

Json = dict[str, Any]

VERSIONS = ("base", "recalibrated", "tuned")

PAIRS = (("tuned", "base"), ("tuned", "recalibrated"), ("recalibrated", "base"))
"""(a, b): the difference is a minus b."""

SHOWN = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "coverage_68", "coverage_95")
"""Metrics of the table; report.json has all of `METRICS`."""

PRIMARY = "crps"
"""The metric of the verdict."""


def compared_metrics(
    versions: Mapping[str, GalaxyTerms], *, n_bootstrap: int, seed: int
) -> dict[str, Json]:
    """Every metric of every version, and every paired difference, with 95 % intervals.

    Parameters
    ----------
    versions : all or some of `VERSIONS`.

    Returns
    -------
    ``metrics``: version -> metric -> {"value", "low", "high"}; ``differences``: "a minus b" ->
    metric -> the same.
    """
    measured = {
        name: measure(terms, n_bootstrap=n_bootstrap, seed=seed) for name, terms in versions.items()
    }
    return {
        "metrics": {
            name: {m: with_interval(of.values[m], of.replicates[m]) for m in METRICS}
            for name, of in measured.items()
        },
        "differences": {
            f"{a} minus {b}": {
                m: with_interval(*measured[a].difference(measured[b], m)) for m in METRICS
            }
            for a, b in PAIRS
            if {a, b} <= set(versions)
        },
    }


def verdict(measured: Mapping[str, Json], *, sample: str, n: int, all_kept: bool) -> str:
    """Say in one sentence what fine-tuning changed, and whether weights or calibration did it.

    Parameters
    ----------
    measured : from `compared_metrics`.
    sample : whose test galaxies these are, and `n` how many.
    all_kept : no network got new weights.
    """
    before, after = (measured["metrics"][name][PRIMARY]["value"] for name in ("base", "tuned"))
    change = measured["differences"]["tuned minus base"][PRIMARY]
    start = (
        f"On {n:,} test galaxies of {sample}, CRPS is {format_value(PRIMARY, after)} after "
        f"fine-tuning and {format_value(PRIMARY, before)} before (difference {_shown(change)})"
    )
    if all_kept:
        return f"{start}: no epoch improved the validation loss, so only the calibration is new."
    sign = _sign(change)
    if not sign:
        return f"{start}: no significant difference."
    if sign > 0:
        return f"{start}: the base is better, and should be used."
    weights = measured["differences"]["tuned minus recalibrated"][PRIMARY]
    against = "against the base recalibrated on the same galaxies the difference is "
    if _sign(weights) < 0:
        return f"{start}: better, and by new weights, since {against}{_shown(weights)}."
    return f"{start}: better, but perhaps by calibration alone, since {against}{_shown(weights)}."


def _shown(limits: Mapping[str, float | None]) -> str:
    value, low, high = (format_value(PRIMARY, limits[name]) for name in ("value", "low", "high"))
    return f"{value}, 95 % interval {low} to {high}"


def _sign(limits: Mapping[str, float | None]) -> int:
    """-1 or 1 where the interval excludes zero, else 0."""
    low, high = limits["low"], limits["high"]
    if low is None or high is None:
        return 0
    return int(low > 0) - int(high < 0)


def write_report(
    folder: Path,
    base: BasePool,
    file: Path,
    *,
    record: Mapping[str, Any],
    ingested: Json,
    seen: Json,
    settings: EvaluateConfig,
    frames: Sequence[Path] = (),
) -> Json:
    """Measure what a fine-tuning gained; write predictions, and report.json last; return it.

    `folder`/predictions gets what the tuned pool predicts for validation, calibration and test
    galaxies, `folder`/base_predictions what its base predicts for them.

    Parameters
    ----------
    folder : of a pool that is whole, with its galaxies.h5 and split.h5.
    file : what the user gave.
    record : from `training.training_record`.
    ingested, seen : from `sample.make_sample`.
    frames : into which the galaxies of `file` were rendered; none of a file that the user gave.
    """
    measured = _measured(folder, base, settings)
    pool = read_json(folder / "pool.json")
    histories = {name: read_json(folder / name / "history.json") for name in pool["members"]}
    kept = [history["base_kept"] for history in histories.values()]
    report = {
        "name": folder.name,
        "pool_digest": pool["digest"],
        "training_key": record["training_key"],
        "base": {"model": base.model, "pool_digest": base.pool.digest},
        "data": {
            "file": as_text(file.name),
            "frames": [as_text(frame.name) for frame in frames],
            "source": ingested["raw"]["source"],
            "sha256": ingested["raw"]["sha256"],
            "galaxies_digest": f"sha256:{record['tuned_on']['galaxies_sha256']}",
            "split_digest": f"sha256:{record['tuned_on']['split_sha256']}",
            "test_digest": read_split(folder / "split.h5").test_digest,
        },
        "ingest": ingested,
        "settings": record["tuned_on"]["settings"],
        "seen_before": seen,
        "members": {
            name: {
                "base_val_loss": history["base_val_loss"],
                "best_val_loss": min(history["val_loss"]),
                "best_epoch": history["best_epoch"],
                "epochs": len(history["epoch"]),
                "base_kept": history["base_kept"],
            }
            for name, history in histories.items()
        },
        **measured,
        "verdict": verdict(
            measured, sample=_sample(file, frames), n=measured["n"]["test"], all_kept=all(kept)
        ),
    }
    write_json(folder / "report.json", report)
    return report


def _sample(file: Path, frames: Sequence[Path]) -> str:
    """Say whose test galaxies are measured.

    Those in frames overlap there with galaxies that trained: what another sky would say is unknown.
    """
    if not frames:
        return as_text(file.name)
    return f"the renderer, put into the {len(frames)} frames that the training ones are in, too"


def _measured(folder: Path, base: BasePool, settings: EvaluateConfig) -> Json:
    """Measure base, recalibrated base and tuned pool on the test galaxies, and each tuned seed."""
    split = read_split(folder / "split.h5")
    tuned = load_pool(folder)
    own, of_base = folder / "predictions", folder / "base_predictions"
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        write_pool_predictions(own, tuned, galaxies, split)
        write_pool_predictions(of_base, base.pool, galaxies, split)
        recalibrated = recalibrate(base.pool, galaxies, split)
        batches = predict_batches(recalibrated, galaxies, split.test)
        again = galaxy_terms(batch["pool"] for batch in batches)
    terms = {"base": terms_of(of_base), "recalibrated": again, "tuned": terms_of(own)}
    pools = {"base": base.pool, "recalibrated": recalibrated, "tuned": tuned}
    seeds = (str(member.record["seed"]) for member in tuned.members)
    return {
        "n": {part: len(rows) for part, rows in split.parts().items()},
        "temperature": {
            name: vars(pool.calibration)["temperature"] for name, pool in pools.items()
        },
        **compared_metrics(terms, n_bootstrap=settings.n_bootstrap, seed=settings.seed),
        "seeds": {seed: _numbers(terms_of(own, f"seed-{seed}")) for seed in seeds},
    }


def terms_of(folder: Path, name: str = "pool") -> GalaxyTerms:
    """Read the terms of every metric from predictions of a pool, or of one of its networks."""
    return galaxy_terms(read_prediction_chunks(folder / f"{name}.hdf5"))


def _numbers(terms: GalaxyTerms) -> dict[str, float | None]:
    values = metric_values(terms)
    return {name: json_number(values[name]) for name in METRICS}
