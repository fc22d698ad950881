"""How the CRPS falls with the number of training galaxies.

Each training draws its own groups, so that the chance of the draw is in the scatter of the seeds.
Small samples are repeated until an epoch is as long as one of the whole sample: every network sees
as many stamps, and a small sample is not blamed for a short training. Early stopping and
calibration use all validation and calibration rows at every size.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pix2z.dataset.splits import Split

__all__ = ["power_law", "subset_of_groups"]

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
