"""Intervals and p-values by resampling groups of galaxies.

Stamps of one group (a parent galaxy, a block of sky) are not independent, so whole groups are
drawn, with replacement. All arms are measured on the same draws: their differences are paired.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "MIN_GROUPS",
    "Chance",
    "Resamples",
    "Student",
    "binomial_band",
    "chance_of_groups",
    "chance_of_resamples",
    "chance_of_seeds",
    "distance_interval",
    "holm",
    "independent",
    "interval",
    "student",
]

Array = NDArray[np.float64]

BLOCK_ELEMENTS = 400_000
"""Most weights held at once: memory does not grow with the number of galaxies."""

MIN_GROUPS = 30
"""Of fewer groups no difference is judged: their variance and Student's t cannot be trusted."""


@dataclass(frozen=True, eq=False)
class Resamples:
    """Resamples of the groups of n galaxies, drawn anew, block by block, wherever they are asked.

    Memory does not grow with their number, and every question is asked of the same ones.
    """

    group_id: NDArray[np.int64]
    n_bootstrap: int
    seed: int

    def __iter__(self) -> Iterator[Array]:
        """Yield blocks (b, n) of integer weights: how often each row's group was drawn.

        As many groups are drawn as there are; of no galaxies there is no resample.
        """
        _, group = np.unique(self.group_id, return_inverse=True)
        if not len(group):
            return
        n_groups = int(group.max()) + 1
        rng = np.random.default_rng(self.seed)
        block = max(1, BLOCK_ELEMENTS // len(group))
        for start in range(0, self.n_bootstrap, block):
            size = min(block, self.n_bootstrap - start)
            drawn = rng.integers(n_groups, size=(size, n_groups))
            drawn += n_groups * np.arange(size)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=size * n_groups)
            yield counts.reshape(size, n_groups)[:, group].astype(np.float64)

    def replicates(self, statistic: Callable[[Array], Array]) -> Array:
        """Return a statistic, (b, ...) of weights (b, n), on all resamples: (B, ...)."""
        return np.concatenate([statistic(weights) for weights in self])


def interval(replicates: Array) -> tuple[float, float]:
    """95 % percentile interval; NaN replicates (metric undefined there) are left out."""
    defined = replicates[np.isfinite(replicates)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def distance_interval(value: float, replicates: Array) -> tuple[float, float]:
    """95 % interval of a distance from a distribution, which is 0 at best.

    Each resample adds the chance of a draw, so that its distance lies above that of the sample;
    replicates are moved so that their mean is the value.
    """
    return interval(np.maximum(replicates - replicates.mean() + value, 0.0))


@dataclass(frozen=True)
class Chance:
    """A source of chance in a number: its variance there, and the degrees of freedom of that.

    They are infinite where the variance counts as known.
    """

    variance: float
    freedom: float


class Student(NamedTuple):
    """A number, its interval, and the two-sided p-value of its being zero in truth."""

    value: float
    low: float
    high: float
    p: float


def chance_of_groups(terms: Array, group_id: NDArray[np.int64]) -> Chance:
    """Return what the choice of groups does to the mean of terms (n,) of galaxies; exact.

    With m the mean and G groups, the variance is G / (G - 1) sum_g (sum_{i in g} (t_i - m))^2 / n^2
    (Cochran 1977, Sampling Techniques, eq. 9A.4: clusters of unequal sizes). Below `MIN_GROUPS` it
    is NaN: known too badly.
    """
    _, group = np.unique(group_id, return_inverse=True)
    n = int(group.max(initial=-1)) + 1
    if n < MIN_GROUPS:
        return Chance(np.nan, np.nan)
    sums = np.bincount(group, terms - terms.mean())
    return Chance(float((sums**2).sum()) / len(terms) ** 2 * n / (n - 1), n - 1)


def chance_of_resamples(replicates: Array, group_id: NDArray[np.int64]) -> Chance:
    """Return the same of any number, from its values on resamples of the groups."""
    n = len(np.unique(group_id))
    defined = replicates[np.isfinite(replicates)]
    if n < MIN_GROUPS or len(defined) < 2:
        return Chance(np.nan, np.nan)
    return Chance(float(defined.var(ddof=1)), n - 1)


def chance_of_seeds(values: Sequence[float]) -> Chance:
    """Return what the choice of k training seeds does to their pool: s^2 / k, s their spread.

    Of fewer than two, or where one is not finite, nothing is known, and the variance is 0.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return Chance(0.0, np.inf)
    return Chance(float(np.var(values, ddof=1)) / len(values), len(values) - 1)


def student(value: float, chances: Sequence[Chance], *, outside: float = 0.05) -> Student:
    """Give a number its interval from independent sources of chance, in closed form.

    Student's t about the value, with the sum of the variances, and the degrees of freedom of Welch
    (1947, Biometrika 34, 28) and Satterthwaite (1946): (sum v)^2 / sum(v^2 / nu). To add degrees of
    freedom, which would do for equal v, gives too many where one source scatters more than others.

    Galaxies and seeds are independent, but for one part that is counted twice: each seed is
    measured on the same finite test set, so its spread also holds a little of the galaxies' chance.
    Intervals are therefore rather too wide than too narrow.

    Parameters
    ----------
    outside : probability that the truth is outside the interval.
    """
    variances = np.array([chance.variance for chance in chances])
    total = float(variances.sum())
    if not np.isfinite([value, total]).all():
        return Student(value, np.nan, np.nan, np.nan)
    if not total:
        return Student(value, value, value, float(value == 0.0))
    uncertain = float((variances**2 / [chance.freedom for chance in chances]).sum())
    freedom = total**2 / uncertain if uncertain else np.inf
    sigma = np.sqrt(total)
    half = float(stats.t.isf(outside / 2, freedom) * sigma)
    p = float(2 * stats.t.sf(abs(value) / sigma, freedom))
    return Student(value, value - half, value + half, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction; the family is exactly the values given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(np.argsort(np.asarray(p_values), kind="stable")):
        running = max(running, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, running)
    return adjusted


def independent(group_id: NDArray[np.int64]) -> int:
    """Independent galaxies that rows (n,) count for, at least: (sum m)^2 / sum m^2 of groups of m.

    Kish's (1965) effective size, all rows of a group being alike. What calibrated PDFs do by chance
    is worked out for so many.
    """
    sizes = np.unique(group_id, return_counts=True)[1]
    return int(sizes.sum() ** 2 // max((sizes**2).sum(), 1))


def binomial_band(n: int, level: float, *, outside: float = 0.05) -> tuple[float, float]:
    """Band of the share of n independent galaxies that a calibrated interval holds.

    Parameters
    ----------
    outside : largest probability that the share is outside the band.
    """
    if n < 1:
        return np.nan, np.nan
    low, high = stats.binom.ppf([outside / 2, 1 - outside / 2], n, level) / n
    return float(low), float(high)
