"""Exact Shapley values of the five bands.

With v(S) the value of a set of bands, the Shapley value of band i is its mean contribution over all
orders in which bands can be added (Shapley 1953; Lundberg & Lee 2017)::

    phi_i = sum over S without i of |S|! (B - |S| - 1)! / B! [v(S + i) - v(S)]

Here v(S) is the CRPS without any band less that with the bands of S, so that the five values sum to
what all bands gain; all 2^5 = 32 sets are measured, none is sampled.
"""

from math import factorial

import numpy as np
from numpy.typing import NDArray

__all__ = ["all_subsets", "shapley_values"]

Array = NDArray[np.float64]


def all_subsets(n_bands: int) -> NDArray[np.bool_]:
    """Tell which bands each subset holds, (2^B, B): number s holds band i where bit i is set."""
    holds: NDArray[np.bool_] = (np.arange(2**n_bands)[:, None] >> np.arange(n_bands)) % 2 == 1
    return holds


def shapley_values(values: Array) -> Array:
    """Shapley values (B, ...) of a game.

    Parameters
    ----------
    values : (2^B, ...) value of each subset, in the order of `all_subsets`; what follows, such as
        seeds and galaxies, are games of their own.
    """
    n_bands = len(values).bit_length() - 1
    if len(values) != 2**n_bands:
        raise ValueError(f"expected the values of 2^B subsets; got {len(values)}")
    subsets = all_subsets(n_bands)
    size = subsets.sum(axis=1)
    share = [factorial(s) * factorial(n_bands - s - 1) / factorial(n_bands) for s in range(n_bands)]
    contributions = []
    for band in range(n_bands):
        without = np.flatnonzero(~subsets[:, band])
        gain = values[without + 2**band] - values[without]
        contributions.append(np.tensordot(np.take(share, size[without]), gain, axes=1))
    return np.stack(contributions)
