"""What each band is worth: exact Shapley values of the five, in CRPS.

With v(S) the value of a set of bands, the Shapley value of band i is its mean contribution over all
orders in which bands can be added (Shapley 1953; Lundberg & Lee 2017)::

    phi_i = sum over S without i of |S|! (B - |S| - 1)! / B! [v(S + i) - v(S)]

Here v(S) is the CRPS without any band less that with the bands of S, so that the five values sum to
what all bands gain; all 2^5 = 32 sets are measured, none is sampled.
"""

from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.bootstrap import Resamples
from pix2z.imaging import BANDS
from pix2z.study.intervals import seeds_interval

__all__ = ["all_subsets", "band_importance", "shapley_values"]

Array = NDArray[np.float64]
Json = dict[str, Any]


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


def band_importance(crps: Array, z_spec: Array, *, n_bins: int, resamples: Resamples) -> Json:
    """Shapley values of the bands in CRPS, on all test galaxies and in bins of redshift.

    Parameters
    ----------
    crps : (k, 32, n) of k trainings, each subset of the bands and each galaxy.
    z_spec : (n,); the bins hold equal numbers of galaxies.
    resamples : of the groups of the n galaxies.
    """
    values = shapley_values(np.moveaxis(crps[:, :1] - crps, 1, 0))
    edges = np.quantile(z_spec, np.arange(1, n_bins) / n_bins)
    number = np.digitize(z_spec, edges)

    def measured(inside: NDArray[np.bool_]) -> Json:
        return {
            "n": int(np.count_nonzero(inside)),
            "n_seeds": len(crps),
            "z_mean": float(z_spec[inside].mean()),
            "no_band": seeds_interval(crps[:, 0], resamples, inside=inside),
            "all_bands": seeds_interval(crps[:, -1], resamples, inside=inside),
            "shapley": {
                band: seeds_interval(values[index], resamples, inside=inside)
                for index, band in enumerate(BANDS)
            },
        }

    names = ["".join(np.array(list(BANDS))[bands]) for bands in all_subsets(len(BANDS))]
    return {
        "whole": measured(np.ones(len(z_spec), bool)) | {"percent": _percent(values, resamples)},
        "bins": [measured(number == index) for index in range(n_bins)],
        "subsets": {
            name or "none": seeds_interval(crps[:, index], resamples)
            for index, name in enumerate(names)
        },
    }


def _percent(values: Array, resamples: Resamples) -> dict[str, Json]:
    """Give each band's per cent of the gain of all, from Shapley values (bands, k, n).

    The interval of this ratio is that of its linear terms, whose mean is the ratio.
    """
    gain = values.sum(axis=0)
    percent = {}
    for band, of_band in zip(BANDS, values, strict=True):
        share = of_band.mean() / gain.mean()
        terms = share + (of_band - share * gain) / gain.mean()
        percent[band] = seeds_interval(100 * terms, resamples)
    return percent
