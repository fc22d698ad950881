"""How far PIT values are from uniform, in the two measures of the photo-z data challenge of 2026.

The challenge of the LSST DESC names the root mean square error and the Kullback-Leibler divergence
of the PIT distribution against the uniform one, beside its QQ diagram and the KS distance; it gives
neither formula nor bins (pz-data-challenge.readthedocs.io). Taken here are::

    PIT-RMSE = sqrt(mean_i (PIT_(i) - (i - 1/2) / n)^2)    from the diagonal of the QQ diagram
    PIT-KL   = sum_b p_b ln(p_b L)                         shares p_b of L = 20 equal bins, nats

Neither is ever 0 for a finite sample: n PIT-RMSE^2 is the Cramer-von Mises statistic less
1 / (12 n), and 2 n PIT-KL is close to chi-square with L - 1 degrees of freedom. So each comes with
what half and 95 % of calibrated samples of the same number of galaxies stay below.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.bootstrap import Resamples, distance_interval, independent
from pix2z.evaluation.weighted import ordered_sample, weighted_mean, weighted_sample

__all__ = ["calibrated_limits", "pit_distances", "pit_uniformity"]

Array = NDArray[np.float64]

KL_BINS = 20

N_DRAWS = 1000
"""Calibrated samples, always the same, that say what chance does."""


def pit_uniformity(pit: Array, resamples: Resamples) -> dict[str, dict[str, Any]]:
    """Measure both distances of PIT values (n,), n > 0, from uniform.

    Returns
    -------
    Of each distance: ``value``; ``low`` and ``high``, its 95 % interval; ``calibrated_median`` and
    ``calibrated_95``, which half and 95 % of calibrated samples of as many independent galaxies
    stay below.
    """
    value = pit_distances(pit, np.ones((1, len(pit))))
    drawn = [pit_distances(pit, weights) for weights in resamples]
    limits = calibrated_limits(independent(resamples.group_id))
    report = {}
    for name, (distance,) in value.items():
        replicates = np.concatenate([of_block[name] for of_block in drawn])
        low, high = distance_interval(float(distance), replicates)
        report[name] = {"value": float(distance), "low": low, "high": high, **limits[name]}
    return report


def pit_distances(pit: Array, weights: Array) -> dict[str, Array]:
    """PIT-RMSE and PIT-KL of PIT values (n,), n > 0, under weights (B, n): (B,) each."""
    ordered = ordered_sample(pit)
    along = np.take(weights, ordered.order, axis=1)
    sample = weighted_sample(ordered, weights)
    rank = (sample.cumulative - along / 2) / sample.total[:, None]
    square = (along * (rank - sample.values) ** 2).sum(axis=1) / sample.total
    number = np.clip(np.floor(pit * KL_BINS).astype(int), 0, KL_BINS - 1)
    shares = weighted_mean(np.eye(KL_BINS)[number], weights)
    logarithm = np.log(np.where(shares > 0, shares * KL_BINS, 1.0))
    return {"pit_rmse": np.sqrt(square), "pit_kl": (shares * logarithm).sum(axis=1)}


@cache
def calibrated_limits(n: int) -> dict[str, dict[str, float]]:
    """Find what half and 95 % of calibrated samples of n galaxies stay below, by drawing such."""
    rng = np.random.default_rng(0)
    ones = np.ones((1, n))
    drawn = [pit_distances(rng.random(n), ones) for _ in range(N_DRAWS)]
    limits = {}
    for name in drawn[0]:
        half, most = np.quantile(np.concatenate([d[name] for d in drawn]), [0.5, 0.95])
        limits[name] = {"calibrated_median": float(half), "calibrated_95": float(most)}
    return limits
