"""How the CRPS falls with the number of training galaxies.

Each training draws its own groups, so that the chance of the draw is in the scatter of the seeds.
Small samples are repeated until an epoch is as long as one of the whole sample: every network sees
as many stamps, and a small sample is not blamed for a short training. Early stopping and
calibration use all validation and calibration rows at every size.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pix2z.dataset.splits import Split
from pix2z.evaluation.bootstrap import Resamples, holm
from pix2z.study.intervals import seeds_interval

__all__ = ["learning_curves", "power_law", "subset_of_groups"]

Json = dict[str, Any]


def subset_of_groups(
    split: Split, group_id: NDArray[np.int64], *, n_groups: int | None, seed: int
) -> Split:
    """Return the split with training rows of `n_groups` random groups; None: of all.

    The rows of the drawn groups are repeated as whole sets, so often that their number is closest
    to that of all training rows.
    """
    if n_groups is None:
        return split
    of_row = group_id[split.train]
    groups = np.unique(of_row)
    drawn = np.random.default_rng([seed, n_groups]).permutation(groups)[:n_groups]
    rows = split.train[np.isin(of_row, drawn)]
    return replace(split, train=np.repeat(rows, max(round(len(split.train) / len(rows)), 1)))


def power_law(n: NDArray[Any], crps: NDArray[Any]) -> Json:
    """Fit CRPS = c N^-a to trainings (m,), one each, and test whether the law holds.

    Least squares of log CRPS against log N. The lack-of-fit test compares the scatter of the sizes'
    means about the line with that of trainings of one size (F test; Draper & Smith 1998, 1.5).

    Returns
    -------
    ``p_lack_of_fit``, ``exponent`` a with its 95 % interval, and ``at_1000`` = CRPS at N = 1000.
    p is None, and alone, where the law cannot be tested: with fewer than three sizes, or one
    training at each.
    """
    x, y = np.log(np.asarray(n, float) / 1000), np.log(np.asarray(crps, float))
    sizes = np.unique(x)
    if len(sizes) < 3 or len(sizes) == len(x):
        return {"p_lack_of_fit": None}
    line = stats.linregress(x, y)
    means = np.array([y[x == size].mean() for size in sizes])
    counts = np.array([np.count_nonzero(x == size) for size in sizes])
    within = float(sum(((y[x == size] - y[x == size].mean()) ** 2).sum() for size in sizes))
    about_line = float((counts * (means - line.intercept - line.slope * sizes) ** 2).sum())
    free_line, free_within = len(sizes) - 2, len(y) - len(sizes)
    ratio = about_line / free_line / max(within / free_within, np.finfo(float).tiny)
    p = float(stats.f.sf(ratio, free_line, free_within))
    half = float(stats.t.ppf(0.975, len(y) - 2)) * float(line.stderr)
    value = -float(line.slope)
    return {
        "p_lack_of_fit": p,
        "exponent": {"value": value, "low": value - half, "high": value + half},
        "at_1000": float(np.exp(line.intercept)),
    }


def learning_curves(
    points: Mapping[str, Mapping[int, NDArray[np.float64]]], resamples: Resamples
) -> dict[str, Json]:
    """Mean CRPS against the number of training groups, for each architecture.

    Parameters
    ----------
    points : architecture -> number of groups -> CRPS (k, n) of k trainings.

    Returns
    -------
    For each architecture: ``points``; ``change_from`` each smaller size, the CRPS of the largest
    less that one's, paired by seed; ``power_law``, which ``fits`` where ``p_holm``, corrected for
    the number of architectures that can be tested, is at least 0.05.
    """
    curves: dict[str, Json] = {}
    for name, sizes in points.items():
        *smaller, last = sorted(sizes)
        numbers = [n for n, crps in sizes.items() for _ in crps]
        means = np.concatenate([crps.mean(axis=1) for crps in sizes.values()])
        curves[name] = {
            "points": [
                {"n_groups": n, "n_seeds": len(crps), **seeds_interval(crps, resamples)}
                for n, crps in sorted(sizes.items())
            ],
            "change_from": {n: seeds_interval(sizes[last] - sizes[n], resamples) for n in smaller},
            "power_law": power_law(np.array(numbers), means) | {"fits": False},
        }
    laws = [curve["power_law"] for curve in curves.values()]
    tested = [law for law in laws if law["p_lack_of_fit"] is not None]
    for law, p in zip(tested, holm([law["p_lack_of_fit"] for law in tested]), strict=True):
        law |= {"p_holm": p, "fits": p >= 0.05}
    return curves
