"""Means, quantiles and counts of one sample under many sets of integer weights at once.

A bootstrap resample is the original sample with integer weights (how often each galaxy was
drawn). Sorting the sample once and summing weights along it gives exact quantiles of every
resample without building any of them. ``weights: (B, n)``, results ``(B,)``; all-one weights give
the plain statistic, so every formula exists once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "OrderedSample",
    "WeightedSample",
    "absolute_deviation",
    "ks_uniform",
    "ordered_sample",
    "quantile",
    "share_within",
    "weighted_mean",
    "weighted_sample",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OrderedSample:
    """A sample in rising order, sorted once for all of its weights.

    Attributes
    ----------
    values : (n,) sorted.
    order : (n,) position of each in the sample as it was given.
    """

    values: Array
    order: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class WeightedSample:
    """A sample in rising order with the running sum of each set of weights.

    Attributes
    ----------
    values : (n,) sorted.
    cumulative : (B, n) weight of values[: i + 1].
    """

    values: Array
    cumulative: Array

    @property
    def total(self) -> Array:
        """(B,) total weights."""
        return self.cumulative[:, -1]


def ordered_sample(values: Array) -> OrderedSample:
    """Sort `values` (n,)."""
    order = np.argsort(values, kind="stable")
    return OrderedSample(values[order], order)


def weighted_sample(sample: OrderedSample, weights: Array) -> WeightedSample:
    """Sum `weights` (B, n), in the order of the given sample, along its sorted values; n > 0."""
    along = np.take(weights, sample.order, axis=1)
    return WeightedSample(sample.values, np.cumsum(along, axis=1, out=along))


def weighted_mean(terms: Array, weights: Array) -> Array:
    """Mean of per-galaxy terms (n,) or (n, T) under each set of weights: (B,) or (B, T)."""
    total = weights.sum(axis=1)
    sums = weights @ terms
    return np.asarray(sums / (total if terms.ndim == 1 else total[:, None]))


def quantile(sample: WeightedSample, level: float) -> Array:
    """Linearly interpolated quantile (numpy's default) of the sample repeated by its weights."""
    position = level * (sample.total - 1)
    rank = np.floor(position)
    lower = sample.values[_index_of_rank(sample, rank)]
    upper = sample.values[_index_of_rank(sample, np.minimum(rank + 1, sample.total - 1))]
    return np.asarray(lower + (position - rank) * (upper - lower))


def share_within(sample: WeightedSample, low: Array, high: Array) -> Array:
    """Share of the weight with low <= value <= high; `low`, `high` are (B,)."""
    return np.asarray(_weight_within(sample, low, high) / sample.total)


def absolute_deviation(sample: WeightedSample, centre: Array) -> Array:
    """Median of |value - centre| for a centre (B,) per set of weights.

    The r-th smallest deviation is the smallest half-width t at which the weight within
    centre +- t exceeds r; it is found by bisection to the last bits of double precision.
    """
    position = 0.5 * (sample.total - 1)
    rank = np.floor(position)
    both = np.stack([rank, np.minimum(rank + 1, sample.total - 1)])
    lower, upper = _deviation_of_rank(sample, centre, both)
    return np.asarray(lower + (position - rank) * (upper - lower))


def ks_uniform(sample: WeightedSample) -> Array:
    """Kolmogorov-Smirnov distance between the sample and the uniform distribution on [0, 1]."""
    reached = sample.cumulative / sample.total[:, None]
    above = (reached - sample.values).max(axis=1)
    # Just below values[i] the sample has reached what it had at values[i - 1].
    below = (sample.values[1:] - reached[:, :-1]).max(axis=1, initial=sample.values[0])
    return np.asarray(np.maximum(above, below))


def _index_of_rank(sample: WeightedSample, rank: Array) -> NDArray[np.int64]:
    """First index at which the running weight exceeds `rank` (B,): a bisection in every row."""
    row = np.arange(len(rank))
    low = np.zeros(len(rank), np.int64)
    high = np.full(len(rank), len(sample.values) - 1)
    for _ in range(len(sample.values).bit_length()):
        middle = (low + high) // 2
        exceeds = sample.cumulative[row, middle] > rank
        high = np.where(exceeds, middle, high)
        low = np.where(exceeds, low, np.minimum(middle + 1, high))
    return np.asarray(high)


def _weight_within(sample: WeightedSample, low: Array, high: Array) -> Array:
    """Weight with low <= value <= high, both (..., B)."""
    row = np.arange(len(sample.cumulative))
    before = np.searchsorted(sample.values, low, side="left")
    until = np.searchsorted(sample.values, high, side="right")
    upper = np.where(until > 0, sample.cumulative[row, np.maximum(until, 1) - 1], 0.0)
    lower = np.where(before > 0, sample.cumulative[row, np.maximum(before, 1) - 1], 0.0)
    return np.asarray(upper - lower)


def _deviation_of_rank(sample: WeightedSample, centre: Array, rank: Array) -> Array:
    """Half-widths around centre (B,) within which the weight exceeds rank (..., B)."""
    low = np.zeros(rank.shape)
    high = np.maximum(sample.values[-1] - centre, centre - sample.values[0]) + low
    for _ in range(60):
        middle = (low + high) / 2
        if ((middle == low) | (middle == high)).all():
            break  # nothing between them is left
        enough = _weight_within(sample, centre - middle, centre + middle) > rank
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high)
