"""The gate: what a version must show, line by line; nothing here knows MLflow or networks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.promotion import CalibrationLimits, MetricLimits
from pix2z.evaluation.bootstrap import interval
from pix2z.evaluation.metric_names import METRICS, format_value
from pix2z.evaluation.pdf_metrics import COVERAGE

__all__ = [
    "Check",
    "calibration_checks",
    "champion_checks",
    "failing",
    "limit_checks",
    "not_measured",
    "passed",
    "table_json",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """One line of the gate."""

    kind: str
    """``test``, ``served``, ``limits``, ``calibration`` or ``champion``."""
    name: str
    """What is checked, in words."""
    measured: str
    limit: str
    passed: bool | None
    """None: not measured, which does not pass."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Value, limits of its 95 % interval and bounds, as numbers."""

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        return {True: "passed", False: "FAILED", None: "not measured"}[self.passed]

    @property
    def sentence(self) -> str:
        """The line in words, for an error."""
        return f"{self.name}: {self.measured or 'not measured'}, expected {self.limit}"


def passed(checks: Iterable[Check]) -> bool:
    """Tell whether every line passed."""
    return not failing(checks)


def failing(checks: Iterable[Check]) -> list[Check]:
    """Pick the lines that did not pass, those first that were measured."""
    return sorted((c for c in checks if c.passed is not True), key=lambda c: c.passed is None)


def table_json(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Return the lines as JSON values; numbers that are not finite are left out."""
    return [
        {
            "check": check.kind,
            "name": check.name,
            "measured": check.measured,
            "limit": check.limit,
            "verdict": check.verdict,
            **{key: value for key, value in check.numbers.items() if np.isfinite(value)},
        }
        for check in checks
    ]


def not_measured(kind: str, names: Iterable[str]) -> list[Check]:
    """Lines of a kind that could not be measured."""
    return [Check(kind, name, "", "", None) for name in names]


def limit_checks(
    values: Mapping[str, float], drawn: Mapping[str, Array], limits: MetricLimits
) -> list[Check]:
    """Hold metrics of the whole test set against their largest values.

    Parameters
    ----------
    values, drawn : metric -> value, and -> (B,) values of bootstrap resamples.
    """
    checks = []
    for metric, bound in limits.model_dump().items():
        signed = METRICS[metric].better == "target"
        size = abs(values[metric]) if signed else values[metric]
        shown = format_value(metric, bound)
        low, high = interval(drawn[metric])
        checks.append(
            Check(
                kind="limits",
                name=METRICS[metric].label,
                measured=_with_interval(metric, values[metric], low, high),
                limit=f"-{shown} to {shown}" if signed else f"at most {shown}",
                passed=bool(size <= bound),  # NaN fails
                numbers={"value": values[metric], "low": low, "high": high, "bound": bound},
            )
        )
    return checks


def calibration_checks(
    values: Mapping[str, float], drawn: Mapping[str, Array], limits: CalibrationLimits
) -> list[Check]:
    """Hold coverage and PIT against those of calibrated PDFs; arguments as of `limit_checks`."""
    checks = []
    for metric, bound in limits.model_dump().items():
        target = COVERAGE.get(metric, 0.0)
        distance = round(abs(values[metric] - target), 12)  # 0.73 - 0.68 is not 0.05 in binary
        least, most = max(target - bound, 0.0), min(target + bound, 1.0)
        between = f"{format_value(metric, least)} to {format_value(metric, most)}"
        low, high = interval(drawn[metric])
        checks.append(
            Check(
                kind="calibration",
                name=METRICS[metric].label,
                measured=_with_interval(metric, values[metric], low, high),
                limit=between if metric in COVERAGE else f"at most {format_value(metric, most)}",
                passed=bool(distance <= bound),
                numbers={"value": values[metric], "low": low, "high": high, "bound": bound},
            )
        )
    return checks


def champion_checks(
    candidate: tuple[Mapping[str, float], Mapping[str, Array]],
    champion: tuple[Mapping[str, float], Mapping[str, Array]],
    metrics: Sequence[str],
) -> list[Check]:
    """Ask in each metric, lower being better, whether the candidate is significantly worse.

    It is where the 95 % interval of candidate minus champion lies above zero. Both are measured on
    the same resamples of the same galaxies, so that most of the chance in them cancels.

    Parameters
    ----------
    candidate, champion : values and resamples, as of `limit_checks`.
    """
    checks = []
    for metric in metrics:
        difference = candidate[0][metric] - champion[0][metric]
        low, high = interval(candidate[1][metric] - champion[1][metric])
        checks.append(
            Check(
                kind="champion",
                name=f"{METRICS[metric].label} minus the champion's",
                measured=_with_interval(metric, difference, low, high),
                limit="not significantly above 0",
                passed=bool(low <= 0) and bool(np.isfinite(difference)),
                numbers={"value": difference, "low": low, "high": high, "bound": 0.0},
            )
        )
    return checks


def _with_interval(metric: str, value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "undefined"
    ends = (
        [format_value(metric, end) for end in (low, high)] if np.isfinite([low, high]).all() else []
    )
    shown = format_value(metric, value)
    return f"{shown} ({ends[0]} to {ends[1]})" if ends else shown
