"""The gate: what a version must show, line by line; nothing here knows MLflow or networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.bootstrap import interval
from pix2z.evaluation.metric_names import METRICS, format_value
from pix2z.evaluation.pdf_metrics import COVERAGE

__all__ = ["Check", "Metrics", "champion_checks", "limit_checks"]

Metrics = tuple[Mapping[str, float], Mapping[str, NDArray[np.float64]]]
"""Metric -> its value on the test galaxies, and -> (B,) values on bootstrap resamples of them."""


@dataclass(frozen=True)
class Check:
    """One line of the gate."""

    kind: str
    """``test``, ``served``, ``limits``, ``calibration`` or ``champion``."""
    name: str
    """What is checked, in words."""
    measured: str
    limit: str
    passed: bool
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Value, limits of its 95 % interval and bound, as numbers."""

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        return "passed" if self.passed else "FAILED"

    @property
    def sentence(self) -> str:
        """The line in words, for an error."""
        return f"{self.name}: {self.measured}, expected {self.limit}"


def limit_checks(kind: str, metrics: Metrics, bounds: Mapping[str, float]) -> list[Check]:
    """Hold metrics against the largest distance that each may have from its target.

    The target is the nominal level of a coverage, and 0 of anything else: an error may be that
    large, and a bias too, with either sign.

    Parameters
    ----------
    kind : ``limits`` or ``calibration``.
    bounds : metric -> largest distance, as in params.yaml.
    """
    checks = []
    for metric, bound in bounds.items():
        value, known = metrics[0][metric], METRICS[metric]
        target = COVERAGE.get(metric, 0.0)
        distance = round(abs(value - target), 12)  # 0.73 - 0.68 is not 0.05 in binary
        lowest, highest = target - bound, target + bound
        if metric in COVERAGE:
            lowest, highest = max(lowest, 0.0), min(highest, 1.0)
        most = format_value(metric, highest)
        measured, numbers = _measured(metric, value, metrics[1][metric])
        checks.append(
            Check(
                kind=kind,
                name=known.label,
                measured=measured,
                limit=(
                    f"{format_value(metric, lowest)} to {most}"
                    if known.better == "target"
                    else f"at most {most}"
                ),
                passed=bool(distance <= bound),  # NaN fails
                numbers=numbers | {"bound": bound},
            )
        )
    return checks


def champion_checks(candidate: Metrics, champion: Metrics, names: Sequence[str]) -> list[Check]:
    """Ask in each metric, lower being better, whether the candidate is significantly worse.

    It is where the 95 % interval of candidate minus champion lies above zero. Both are measured on
    the same resamples of the same galaxies, so that most of the chance in them cancels.
    """
    checks = []
    for metric in names:
        difference = candidate[0][metric] - champion[0][metric]
        drawn = candidate[1][metric] - champion[1][metric]
        measured, numbers = _measured(metric, difference, drawn)
        checks.append(
            Check(
                kind="champion",
                name=f"{METRICS[metric].label} minus the champion's",
                measured=measured,
                limit="not significantly above 0",
                passed=bool(numbers["low"] <= 0) and bool(np.isfinite(difference)),
                numbers=numbers | {"bound": 0.0},
            )
        )
    return checks


def _measured(
    metric: str, value: float, drawn: NDArray[np.float64]
) -> tuple[str, dict[str, float]]:
    """Return a value with its 95 % interval, in words and as numbers."""
    low, high = interval(drawn)
    words = format_value(metric, value) if np.isfinite(value) else "undefined"
    if np.isfinite([value, low, high]).all():
        words += f" ({format_value(metric, low)} to {format_value(metric, high)})"
    return words, {"value": value, "low": low, "high": high}
