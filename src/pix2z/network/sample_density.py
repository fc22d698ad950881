"""Whether galaxies are like those that trained a model: how dense its sample is where they lie.

The density is that of photometry, the same for every architecture: a mixture of normal
distributions fitted to training galaxies (numpy; scikit-learn fits). It is calibrated as a
conformal outlier test (Bates et al. 2023, https://arxiv.org/abs/2104.08279): a galaxy is *unlike*
where it is rarer than 99 % of the calibration galaxies, which trained nothing, so that of galaxies
like them 1 % are called so. What was not measured speaks neither for nor against a galaxy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry, aperture_weights
from pix2z.dataset.store import Galaxies
from pix2z.imaging import EXTINCTION_PER_EBV, SKY_SIGMA
from pix2z.redshift_pdf.calibration import evenly_spread

__all__ = ["FALSE_ALARMS", "SampleDensity", "fit_sample_density", "density_features"]

FALSE_ALARMS = 0.01
"""Share of galaxies like the calibration galaxies that are called unlike."""

APERTURES = tuple(APERTURE_RADII_ARCSEC.index(radius) for radius in (0.7, 1.6, 3.2))
"""Inside the seeing, a small and a large one: these tell stars from galaxies, and a band that is
shifted; neighbours, which every tenth stamp has, lie outside."""

GALAXIES_PER_COMPONENT, MOST_COMPONENTS = 500, 10
"""A component has some 200 numbers. More than ten caught no more of the cases in docs/design.md."""

MOST_ROWS = 20_000
SMALLEST_SCATTER, SMALLEST_FIELD_SCATTER = 0.01, 0.05
"""Standard deviations added to every flux (1 %), and to what belongs to the field, sky noise (5 %)
and E(B-V) (0.05 mag): smaller differences count for nothing. One field has nearly one noise and one
E(B-V), and galaxies of the next field are not unlike its own for a little more of either."""

BATCH = 1024

Array = NDArray[np.float64]


def density_features(images: NDArray[Any], ebv: NDArray[Any]) -> Array:
    """Describe galaxies by their photometry, (n, F); NaN where it was not measured.

    Dereddened asinh fluxes (natural logarithms of bright ones) in three apertures, of u, whose
    profile is noise, in the middle one only; log sky noise per band; E(B-V). An unknown E(B-V)
    counts as 0 on the fluxes, as in the networks: behind much dust, a galaxy is then unlike others.

    Parameters
    ----------
    images : (n, 32, 32, 5) nanomaggies, NaN where masked, all NaN where a band is absent.
    ebv : (n,) E(B-V) in mag, NaN where unknown.
    """
    flux, _, sigma = aperture_photometry(images)
    area = np.sqrt((aperture_weights() ** 2).sum(axis=0))[:, None]
    dereddening = 10 ** (0.4 * np.nan_to_num(ebv)[:, None] * np.array(EXTINCTION_PER_EBV))
    scaled = flux * dereddening[:, None] / (2 * area * np.array(SKY_SIGMA))
    inner, middle, outer = (np.arcsinh(scaled[:, aperture]) for aperture in APERTURES)
    log_sky = np.log(np.maximum(sigma, 1e-6))
    parts = [inner[:, 1:], middle, outer[:, 1:], log_sky, ebv[:, None]]
    return np.concatenate(parts, axis=1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class SampleDensity:
    """A mixture of K normal distributions over D photometric features of a training sample."""

    features: NDArray[np.int64]
    """(D,) which of `density_features` these are: those that most of the sample has."""
    weights: Array
    """(K,) shares of the components, summing to 1."""
    means: Array
    """(K, D)."""
    covariances: Array
    """(K, D, D)."""
    lowest_log_density: float
    """Below it lies `FALSE_ALARMS` of the calibration galaxies."""

    def unlike(self, images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each galaxy (n,) is unlike the sample; arguments as `density_features`."""
        return self.log_density(density_features(images, ebv)) < self.lowest_log_density

    def log_density(self, features: Array) -> Array:
        """Natural logarithm of the density at features (n, F), what is missing filled in."""
        values = self._filled(features[:, self.features])
        whitening = self._whitening
        white = (values - self.means[:, None]) @ whitening.transpose(0, 2, 1)
        squared = np.einsum("knd,knd->kn", white, white) + len(self.features) * np.log(2 * np.pi)
        log_scale = np.log(np.diagonal(whitening, axis1=1, axis2=2)).sum(axis=1)
        of_components = (np.log(self.weights) + log_scale)[:, None] - squared / 2
        return np.asarray(logsumexp(of_components, axis=0))

    @cached_property
    def _whitening(self) -> Array:
        """Inverse Cholesky factors (K, D, D) of the covariances, which make them unit matrices."""
        return np.linalg.inv(np.linalg.cholesky(self.covariances))

    def _filled(self, values: Array) -> Array:
        """Put what is missing where the features that were measured expect it, in the sample."""
        mean, covariance = self._moments
        filled = values.copy()
        patterns, pattern_of = np.unique(np.isnan(values), axis=0, return_inverse=True)
        for number, missing in enumerate(patterns):
            if not missing.any():
                continue
            rows, known = np.flatnonzero(pattern_of.ravel() == number), ~missing
            slope = np.linalg.solve(
                covariance[np.ix_(known, known)], covariance[np.ix_(known, missing)]
            )
            expected = mean[missing] + (values[np.ix_(rows, known)] - mean[known]) @ slope
            filled[np.ix_(rows, missing)] = expected
        return filled

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """Mean (D,) and covariance (D, D) of the whole mixture."""
        mean = self.weights @ self.means
        apart = self.means - mean
        within = np.einsum("k,kij->ij", self.weights, self.covariances)
        return mean, within + np.einsum("k,ki,kj->ij", self.weights, apart, apart)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        return {f.name: np.asarray(getattr(self, f.name)).tolist() for f in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SampleDensity":
        """Rebuild it from `to_dict`."""
        return cls(
            features=np.asarray(values["features"], np.int64),
            weights=np.asarray(values["weights"], np.float64),
            means=np.asarray(values["means"], np.float64),
            covariances=np.asarray(values["covariances"], np.float64),
            lowest_log_density=float(values["lowest_log_density"]),
        )


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
