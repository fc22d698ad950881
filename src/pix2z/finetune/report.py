"""A fine-tuned pool against the pool that it was tuned from, on the same test galaxies.

Three versions are measured: `base`, the pool as it came; `recalibrated`, the same networks with a
temperature fitted on the new calibration galaxies; `tuned`. What `tuned` gains over `recalibrated`
it gains by its weights. Intervals are of a paired bootstrap over groups: they hold which galaxies
are in the test part, not the scatter of trainings.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import bootstrap_replicates, json_number, metric_values
from pix2z.evaluation.bootstrap import interval
from pix2z.evaluation.metric_names import METRICS, format_value

__all__ = ["PAIRS", "SHOWN", "VERSIONS", "tuning_metrics", "tuning_verdict"]

Json = dict[str, Any]

VERSIONS = ("base", "recalibrated", "tuned")

PAIRS = (("tuned", "base"), ("tuned", "recalibrated"), ("recalibrated", "base"))
"""(a, b): the difference is a minus b."""

SHOWN = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "coverage_68", "coverage_95")
"""Metrics of the table; report.json has all of `METRICS`."""

PRIMARY = "crps"
"""The metric of the verdict."""


def tuning_metrics(
    versions: Mapping[str, GalaxyTerms], *, n_bootstrap: int, seed: int
) -> dict[str, Json]:
    """Every metric of every version, and every paired difference, with 95 % intervals.

    Returns
    -------
    found : ``metrics``: version -> metric -> {"value", "low", "high"}; ``differences``: "a minus b"
        -> metric -> the same.
    """
    values = {name: metric_values(terms) for name, terms in versions.items()}
    drawn = {
        name: bootstrap_replicates(terms, n_bootstrap=n_bootstrap, seed=seed)
        for name, terms in versions.items()
    }
    return {
        "metrics": {
            name: {m: _limits(values[name][m], drawn[name][m]) for m in METRICS}
            for name in versions
        },
        "differences": {
            f"{a} minus {b}": {
                m: _limits(values[a][m] - values[b][m], drawn[a][m] - drawn[b][m]) for m in METRICS
            }
            for a, b in PAIRS
        },
    }


def tuning_verdict(found: Mapping[str, Json], *, sample: str, n: int, all_kept: bool) -> str:
    """Say in one sentence what fine-tuning changed, and whether weights or calibration did it.

    Parameters
    ----------
    found : from `tuning_metrics`.
    sample : whose test galaxies these are, and `n` how many.
    all_kept : no network got new weights.
    """
    before, after = (found["metrics"][name][PRIMARY]["value"] for name in ("base", "tuned"))
    change = found["differences"]["tuned minus base"][PRIMARY]
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
    weights = found["differences"]["tuned minus recalibrated"][PRIMARY]
    against = "against the base recalibrated on the same galaxies the difference is "
    if _sign(weights) < 0:
        return f"{start}: better, and by new weights, since {against}{_shown(weights)}."
    return f"{start}: better, but perhaps by calibration alone, since {against}{_shown(weights)}."


def _limits(value: float, replicates: NDArray[np.float64]) -> Json:
    low, high = interval(replicates)
    return {"value": json_number(value), "low": json_number(low), "high": json_number(high)}


def _shown(limits: Mapping[str, float | None]) -> str:
    value, low, high = (format_value(PRIMARY, limits[name]) for name in ("value", "low", "high"))
    return f"{value}, 95 % interval {low} to {high}"


def _sign(limits: Mapping[str, float | None]) -> int:
    """-1 or 1 where the interval excludes zero, else 0."""
    low, high = limits["low"], limits["high"]
    if low is None or high is None:
        return 0
    return int(low > 0) - int(high < 0)
