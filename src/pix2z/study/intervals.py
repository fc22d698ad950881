"""95 % intervals of the study: over groups of galaxies, and over trainings where there are several.

A number of a finished pool is known as well as its test galaxies allow; one that stands for an
architecture, such as a point of a learning curve, also as well as its trainings agree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pix2z.evaluation.arm_metrics import json_number
from pix2z.evaluation.bootstrap import group_weights
from pix2z.evaluation.weighted import weighted_mean

__all__ = ["resamples", "seeds_interval"]

Array = NDArray[np.float64]
Json = dict[str, Any]


def resamples(group_id: NDArray[np.int64], *, n_bootstrap: int, seed: int) -> Array:
    """Weights (B, n) of all resamples of whole groups: how often each galaxy was drawn."""
    drawn = group_weights(group_id, n_bootstrap=n_bootstrap, seed=seed)
    return np.concatenate([np.empty((0, len(group_id))), *drawn])


def seeds_interval(per_seed: Array, weights: Array) -> Json:
    """Mean over seeds and galaxies, with an interval that holds the chance of both.

    The variance is that of the mean over galaxies, by resampling, plus that of the mean over k
    trainings, s^2 / k; the interval is Student's with the degrees of freedom of Welch (1947) and
    Satterthwaite (1946), in which those over galaxies are as good as infinitely many.

    Parameters
    ----------
    per_seed : (k, n) a quantity of each galaxy in each of k trainings.
    weights : (B, n) of `resamples`.

    Returns
    -------
    ``value``, ``low``, ``high``; ``seed_sd``, None for a single training.
    """
    value = float(per_seed.mean())
    galaxies = float(weighted_mean(per_seed.mean(axis=0), weights).var(ddof=1))
    k = len(per_seed)
    between = float(per_seed.mean(axis=1).var(ddof=1)) if k > 1 else 0.0
    total = galaxies + between / k
    freedom = total**2 / (between / k) ** 2 * (k - 1) if between else np.inf
    half = float(stats.t.ppf(0.975, freedom)) * np.sqrt(total)
    sd = json_number(np.sqrt(between)) if k > 1 else None
    return {"value": value, "low": value - half, "high": value + half, "seed_sd": sd}
