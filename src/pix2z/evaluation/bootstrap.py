"""Intervals and p-values by resampling groups of galaxies.

Stamps of one group (a parent galaxy, a block of sky) are not independent, so whole groups are
drawn, with replacement. All arms are measured on the same draws: their differences are paired.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "Resamples",
    "binomial_band",
    "bootstrap_p",
    "group_weights",
    "holm",
    "independent",
    "interval",
    "interval_with_seeds",
    "training_shifts",
    "variance_with_seeds",
]

Array = NDArray[np.float64]

BLOCK_ELEMENTS = 400_000
"""Most weights held at once: memory does not grow with the number of galaxies."""


def group_weights(group_id: NDArray[np.int64], *, n_bootstrap: int, seed: int) -> Iterator[Array]:
    """Yield blocks (b, n) of integer weights: how often each row's group was drawn.

    As many groups are drawn as there are; the blocks hold `n_bootstrap` resamples together.
    """
    _, group = np.unique(group_id, return_inverse=True)
    if not len(group):
        return
    n_groups = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_ELEMENTS // len(group))
    for start in range(0, n_bootstrap, block):
        size = min(block, n_bootstrap - start)
        drawn = rng.integers(n_groups, size=(size, n_groups)) + n_groups * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_groups).reshape(size, n_groups)
        yield counts[:, group].astype(np.float64)


@dataclass(frozen=True, eq=False)
class Resamples:
    """Resamples of the groups of n galaxies, drawn anew, block by block, wherever they are asked.

    Memory does not grow with their number, and every question is asked of the same ones.
    """

    group_id: NDArray[np.int64]
    n_bootstrap: int
    seed: int

    def __iter__(self) -> Iterator[Array]:
        """Yield the blocks (b, n) of `group_weights`."""
        return group_weights(self.group_id, n_bootstrap=self.n_bootstrap, seed=self.seed)

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


def variance_with_seeds(
    pools: Iterable[Sequence[float]], *, galaxies: float = 0.0
) -> tuple[float, float]:
    """Variance of a difference of pools, or of one pool's mean, and its degrees of freedom.

    A pool of k seeds scatters by s / sqrt(k), s being the sd of its seeds, which from so few seeds
    is uncertain itself. Degrees of freedom after Welch (1947, Biometrika 34, 28) and Satterthwaite
    (1946): with v = s^2 / k of each pool, nu = (galaxies + sum v)^2 / sum(v^2 / (k - 1)). The sum
    of the pools' degrees of freedom, which would do for equal s, is too many where one arm scatters
    more than the other.

    Parameters
    ----------
    pools : a metric's value by seed; of fewer than two seeds the scatter is not known, and nothing
        is added.
    galaxies : variance by the chance of galaxies, taken as known exactly.
    """
    known = [values for values in pools if len(values) > 1]
    parts = np.array([np.var(values, ddof=1) / len(values) for values in known])
    variance = galaxies + float(parts.sum())
    uncertain = float((parts**2 / np.array([len(values) - 1 for values in known])).sum())
    return variance, variance**2 / uncertain if uncertain else np.inf


def interval_with_seeds(
    value: float,
    pools: Iterable[Sequence[float]],
    *,
    galaxies: float,
    outside: float = 0.05,
) -> tuple[float, float]:
    """Interval of Student's t around a value, with the chance of galaxies and of training seeds.

    Parameters
    ----------
    pools, galaxies : see `variance_with_seeds`.
    outside : probability that the truth is outside.
    """
    variance, freedom = variance_with_seeds(pools, galaxies=galaxies)
    half = float(stats.t.isf(outside / 2, freedom) * np.sqrt(variance))
    return value - half, value + half


def training_shifts(pools: Sequence[Sequence[float]], n: int, *, rng: np.random.Generator) -> Array:
    """Draw (n,) shifts that other training seeds would have made in the difference of two pools.

    They have Student's t distribution with variance and degrees of freedom of
    `variance_with_seeds`. Added to bootstrap replicates of the difference, they give the
    distribution of a sum of two independent chances: which galaxies were drawn, and which seeds.
    That is right as long as both are independent, which they are by the law of total variance, but
    for one part that is counted twice: each seed is measured on the same finite test set, so s also
    holds a little of the galaxies' chance. Intervals are therefore rather too wide than too narrow.
    On simulated pools of five and of three seeds they held the truth in 94 to 97 % of cases, and on
    simulated galaxies, of which each seed gets others wrong, in 96.1 to 99.4 %.

    Parameters
    ----------
    pools : of both arms, a metric's value by seed. A pool of fewer than two, or one with a value
        that is not finite, adds nothing: its scatter is not known.
    """
    variance, freedom = variance_with_seeds(v for v in pools if np.isfinite(v).all())
    return np.asarray(np.sqrt(variance) * rng.standard_t(freedom, n)) if variance else np.zeros(n)


def bootstrap_p(difference: float, replicates: Array) -> float:
    """Two-sided p-value of a paired difference: (1 + #{|d* - d| >= |d|}) / (B + 1).

    The bootstrap spread around the observed difference d stands for its spread under no
    difference (Hall & Wilson 1991, Biometrics 47, 757). Its floor is 1 / (B + 1).
    """
    defined = replicates[np.isfinite(replicates)]
    beyond = np.count_nonzero(np.abs(defined - difference) >= abs(difference))
    return (1 + beyond) / (len(defined) + 1)


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
