"""The gate: what a version must show, line by line; nothing here knows MLflow or networks.

Every line leaves room for chance: what a bound allows is widened by how far n test galaxies may
throw the value of a model that is exactly on the bound. Lines of a kind are judged together: such a
model passes all of them with a probability of at least 95 % (Bonferroni), whatever n is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pix2z.evaluation.arm_metrics import Measured
from pix2z.evaluation.bootstrap import Chance, binomial_band, chance_of_seeds, student
from pix2z.evaluation.metric_names import METRICS, format_value
from pix2z.evaluation.pdf_metrics import COVERAGE

__all__ = ["ERRORS", "Check", "Seeds", "calibration_checks", "champion_checks", "limit_checks"]

ERRORS = ("crps", "mae", "nmad", "outlier_005")
"""Metrics that may not be too large, nor larger than the champion's."""

BY_CHANCE = 0.05
"""Largest probability that chance alone fails a line of its kind."""

Seeds = Mapping[str, Sequence[float]]
"""Metric -> its value on the test galaxies for each seed of a pool alone; empty if not known."""


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
    """Value, limits of its 95 % interval and bound, chance included, as numbers."""

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        return "passed" if self.passed else "FAILED"

    @property
    def sentence(self) -> str:
        """The line in words, for an error."""
        return f"{self.name}: {self.measured}, expected {self.limit}"


def limit_checks(candidate: Measured, limits: Measured) -> list[Check]:
    """Ask of each error whether it is above its limit by more than chance.

    Chance is in the candidate's value and in the limit: the lower end of the one-sided interval of
    candidate minus limit may not lie above zero.

    Parameters
    ----------
    limits : of the same or of other galaxies; its replicates are paired with the candidate's where
        both are of the same resamples, independent of them where not, constant where they are
        fixed numbers.
    """
    checks = []
    for metric in ERRORS:
        difference, drawn = candidate.difference(limits, metric)
        chance = difference - _quantile(drawn, BY_CHANCE / len(ERRORS))
        limit = limits.values[metric]
        words = f"≤ {format_value(metric, limit)} + {format_value(metric, chance)}"
        value = candidate.values[metric]
        measured = value, *candidate.interval(metric)
        passed = bool(difference <= chance)  # NaN fails
        checks.append(_line("limits", metric, measured, words, passed, bound=limit + chance))
    return checks


def calibration_checks(
    candidate: Measured, tolerances: Mapping[str, float], *, n: int
) -> list[Check]:
    """Hold coverages, PIT and bias against their targets: tolerance, and chance of n galaxies.

    The target is the nominal level of a coverage, and 0 of anything else.

    Parameters
    ----------
    tolerances : metric -> how far a model may be from the target in truth.
    n : independent test galaxies.
    """
    checks = []
    for metric, tolerance in tolerances.items():
        value, replicates = candidate.values[metric], candidate.replicates[metric]
        target = COVERAGE.get(metric, 0.0)
        chance = _chance(metric, replicates, n=n, probability=BY_CHANCE / len(tolerances))
        words = f"{format_value(metric, tolerance)} {{}} {format_value(metric, chance)}"
        if METRICS[metric].better == "target":
            words = f"{format_value(metric, target) if target else 0} ± {words.format('±')}"
        else:
            words = f"≤ {words.format('+')}"
        distance = round(abs(value - target), 12)  # 0.73 - 0.68 is not 0.05 in binary
        bound = round(tolerance + chance, 12)
        measured = value, *candidate.interval(metric)
        passed = bool(distance <= bound)  # NaN fails
        checks.append(_line("calibration", metric, measured, words, passed, bound=bound))
    return checks


def _chance(metric: str, replicates: NDArray[np.float64], *, n: int, probability: float) -> float:
    """How far a calibrated model is from the target, but for a small probability.

    Exact for coverages (binomial) and PIT (Kolmogorov); normal with the bootstrap's sigma for the
    bias.
    """
    if metric in COVERAGE:
        low, high = binomial_band(n, COVERAGE[metric], outside=probability)
        return max(COVERAGE[metric] - low, high - COVERAGE[metric])
    if metric == "pit_ks":
        return float(stats.kstwo.isf(probability, n))
    return float(stats.norm.isf(probability / 2)) * _sigma(replicates)


def champion_checks(
    candidate: Measured,
    champion: Measured,
    seeds: tuple[Seeds, Seeds],
    *,
    margin: float | None,
) -> list[Check]:
    """Ask of each error whether the candidate's is no worse than the champion's.

    CRPS is to be non-inferior: the 95 % interval of candidate minus champion ends below the margin.
    Other errors, and CRPS too without a margin, may not be significantly worse: their intervals,
    which hold together with 95 %, do not lie above zero. Chance of galaxies and of training seeds
    is in both. What galaxies do to single seeds is counted twice, so intervals are rather too wide.

    Parameters
    ----------
    candidate, champion : on the same resamples of the same galaxies.
    seeds : of candidate and champion.
    margin : share of the champion's CRPS; None where the test set is too small to judge it.
    """
    tested = [metric for metric in ERRORS if margin is None or metric != "crps"]
    checks = []
    for metric in ERRORS:
        outside = BY_CHANCE / len(tested) if metric in tested else BY_CHANCE
        difference, drawn = candidate.difference(champion, metric)
        of_seeds = [known.get(metric, ()) for known in seeds]
        chances = [Chance(_sigma(drawn) ** 2, np.inf), *map(chance_of_seeds, of_seeds)]
        low, high = student(difference, chances, outside=outside)[1:3]
        if margin is None or metric in tested:
            bound, passed, words = 0.0, bool(low <= 0), "not significantly above 0"
        else:
            bound = margin * champion.values[metric]
            passed = bool(high <= bound)
            words = f"interval below {format_value(metric, bound)}, {100 * margin:g} %"
        if min(map(len, of_seeds)) < 2 and metric == ERRORS[0]:
            words += ", chance of seeds not known"
        line = _line("champion", metric, (difference, low, high), words, passed, bound=bound)
        checks.append(line)
    return checks


def _sigma(replicates: NDArray[np.float64]) -> float:
    """Spread of resamples; those where the metric is undefined are left out."""
    defined = replicates[np.isfinite(replicates)]
    return float(defined.std()) if len(defined) else np.nan


def _quantile(replicates: NDArray[np.float64], probability: float) -> float:
    defined = replicates[np.isfinite(replicates)]
    return float(np.quantile(defined, probability)) if len(defined) else np.nan


def _line(
    kind: str,
    metric: str,
    measured: tuple[float, float, float],
    expected: str,
    passed: bool,
    *,
    bound: float,
) -> Check:
    """Make a line of a value with its interval, in words and as numbers."""
    value, low, high = measured
    words = format_value(metric, value) if np.isfinite(value) else "undefined"
    if np.isfinite(measured).all():
        words += f" ({format_value(metric, low)} to {format_value(metric, high)})"
    name = METRICS[metric].label + (" minus the champion's" if kind == "champion" else "")
    numbers = {"value": value, "low": low, "high": high, "bound": bound}
    return Check(kind, name, words, expected, passed, numbers)
