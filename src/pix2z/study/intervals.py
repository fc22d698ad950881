"""95 % intervals of the study: over groups of galaxies, and over trainings where there are several.

A number of a finished pool is known as well as its test galaxies allow; one that stands for an
architecture, such as a point of a learning curve, also as well as its trainings agree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_metrics import json_number
from pix2z.evaluation.bootstrap import Chance, Resamples, chance_of_seeds, student
from pix2z.evaluation.weighted import weighted_mean

__all__ = ["seeds_interval"]

Array = NDArray[np.float64]
Json = dict[str, Any]


def seeds_interval(
    per_seed: Array, resamples: Resamples, *, inside: NDArray[np.bool_] | None = None
) -> Json:
    """Mean over seeds and galaxies, with an interval that holds the chance of both.

    The variance is that of the mean over galaxies, by resampling, plus that of the mean over k
    trainings; see `bootstrap.student`.

    Parameters
    ----------
    per_seed : (k, n) a quantity of each galaxy in each of k trainings.
    inside : (n,) galaxies that are asked; None: all.

    Returns
    -------
    ``value``, ``low``, ``high``; ``seed_sd``, None for a single training.
    """
    asked = slice(None) if inside is None else inside
    chosen = per_seed[:, asked]
    value, of_galaxy, of_seed = float(chosen.mean()), chosen.mean(axis=0), chosen.mean(axis=1)
    drawn = resamples.replicates(lambda weights: weighted_mean(of_galaxy, weights[:, asked]))
    chances = [Chance(float(drawn.var(ddof=1)), np.inf), chance_of_seeds(of_seed.tolist())]
    _, low, high, _ = student(value, chances)
    sd = json_number(of_seed.std(ddof=1)) if len(of_seed) > 1 else None
    return {"value": value, "low": low, "high": high, "seed_sd": sd}
