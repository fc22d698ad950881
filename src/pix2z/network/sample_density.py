"""Fits the density of a training sample, which says whether other galaxies are like it.

What it is, and how it is applied: `saved.sample_density`.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.store import Galaxies
from pix2z.imaging import SKY_SIGMA
from pix2z.redshift_pdf.calibration import evenly_spread
from pix2z.saved.sample_density import SampleDensity, density_features

__all__ = ["FALSE_ALARMS", "fit_sample_density"]

FALSE_ALARMS = 0.01
"""Share of galaxies like the calibration galaxies that are called unlike."""

GALAXIES_PER_COMPONENT, MOST_COMPONENTS = 500, 10
"""A component has some 200 numbers. More than ten caught no more of the cases in docs/design.md."""

MOST_ROWS = 20_000
SMALLEST_SCATTER, SMALLEST_FIELD_SCATTER = 0.01, 0.05
"""Standard deviations added to every flux (1 %), and to what belongs to the field, sky noise (5 %)
and E(B-V) (0.05 mag): smaller differences count for nothing. One field has nearly one noise and one
E(B-V), and galaxies of the next field are not unlike its own for a little more of either."""

BATCH = 1024

Array = NDArray[np.float64]


def fit_sample_density(
    galaxies: Galaxies, *, train: NDArray[np.int64], calibration: NDArray[np.int64]
) -> SampleDensity | None:
    """Fit the density to training rows, and its limit to calibration rows.

    None where these are too few: below 99 calibration galaxies nothing is rarer than 99 % of them,
    and fewer than ten training galaxies per feature say little of how features go together.
    """
    of_training = _features(galaxies, evenly_spread(train, most=MOST_ROWS))
    used = np.flatnonzero(np.isfinite(of_training).mean(axis=0) > 0.5)
    complete = of_training[:, used][np.isfinite(of_training[:, used]).all(axis=1)]
    rank = int(FALSE_ALARMS * (len(calibration) + 1))
    if rank < 1 or not len(used) or len(complete) < 10 * len(used):
        return None
    scatter = np.where(
        used >= of_training.shape[1] - len(SKY_SIGMA) - 1, SMALLEST_FIELD_SCATTER, SMALLEST_SCATTER
    )
    mixture = _fit_mixture(complete, scatter)
    density = SampleDensity(used, *mixture, lowest_log_density=-np.inf)
    of_calibration = np.sort(density.log_density(_features(galaxies, calibration)))
    return replace(density, lowest_log_density=float(of_calibration[rank - 1]))


def _features(galaxies: Galaxies, rows: NDArray[np.int64]) -> Array:
    batches = sequential_batches(galaxies, rows, batch_size=BATCH)
    ebv = galaxies.column("ebv")
    return np.concatenate([density_features(images, ebv[batch]) for images, batch in batches])


def _fit_mixture(values: Array, scatter: Array) -> tuple[Array, Array, Array]:
    """Weights, means and covariances of normal distributions whose sum `values` (n, D) follow.

    scatter : (D,) added to each of them, as errors of that standard deviation would be.
    """
    from sklearn.mixture import GaussianMixture  # not needed by what is served

    mean, floor = values.mean(axis=0), np.diag(scatter**2)
    lower = np.linalg.cholesky(np.cov(values, rowvar=False) + floor)
    mixture = GaussianMixture(
        int(np.clip(len(values) // GALAXIES_PER_COMPONENT, 1, MOST_COMPONENTS)),
        reg_covar=1e-3,  # of whitened features, whose variance is 1
        max_iter=1000,
        random_state=0,
    )
    with threadpool_limits(1):  # sums over several threads round differently
        mixture.fit(np.linalg.solve(lower, (values - mean).T).T)
    covariances = lower @ mixture.covariances_ @ lower.T + floor
    return mixture.weights_, mean + mixture.means_ @ lower.T, covariances
