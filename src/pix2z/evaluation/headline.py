"""The few numbers of a run that git keeps: reports/metrics.json, which ``dvc metrics`` shows.

One flat table, a number per line: README's tables without their intervals, which are in
reports/compare.json and reports/spectrum.json.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["headline_metrics"]

Json = Mapping[str, Any]

METRICS_SHOWN = ("crps", "mae", "nmad", "outlier_005", "coverage_95")
"""Of every arm, on the whole test set."""

CONTROLS_SHOWN = ("trees", "knn", "trainz")
"""Controls that know no more of a galaxy than the arms do."""

SPECTRUM_METRICS_SHOWN = ("mae", "coverage_68", "coverage_95")
"""Of every spectrum arm: the error relative to the flux in r, the shares inside the bands."""

DIGITS = 6
"""After the decimal point; the intervals are wider than 1e-5."""


def headline_metrics(comparison: Json, spectrum: Json | None) -> dict[str, float | None]:
    """Return ``ARM.METRIC`` -> value of arms and controls, and ``spectrum.ARM.METRIC``.

    Spectra without a band have no coverage.

    Parameters
    ----------
    comparison, spectrum : the content of reports/compare.json and, where there is one,
        reports/spectrum.json.
    """
    controls = comparison["controls"]
    compared = comparison["arms"] | {n: controls[n] for n in CONTROLS_SHOWN if n in controls}
    shown = {
        f"{arm}.{metric}": of["whole"][metric]
        for arm, of in compared.items()
        for metric in METRICS_SHOWN
    }
    for arm, of in (spectrum or {"arms": {}})["arms"].items():
        known = [metric for metric in SPECTRUM_METRICS_SHOWN if of[metric]["value"] is not None]
        shown |= {f"spectrum.{arm}.{metric}": of[metric] for metric in known}
    return {name: _rounded(value) for name, value in shown.items()}


def _rounded(value: float | Json | None) -> float | None:
    """Round a number, or that of an entry with an interval; null where it is undefined."""
    number = value["value"] if isinstance(value, Mapping) else value
    return None if number is None else round(number, DIGITS)
