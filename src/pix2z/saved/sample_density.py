"""Whether galaxies are like those that trained a model: how dense its sample is where they lie.

The density is that of photometry, the same for every architecture: a mixture of normal
distributions, which `network.sample_density` fits to training galaxies. It is calibrated as a
conformal outlier test (Bates et al. 2023, https://arxiv.org/abs/2104.08279): a galaxy is *unlike*
where it is rarer than 99 % of the calibration galaxies, which trained nothing, so that of galaxies
like them 1 % are called so. What was not measured speaks neither for nor against a galaxy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry, aperture_weights
from pix2z.imaging import EXTINCTION_PER_EBV, SKY_SIGMA

__all__ = ["LEAST_SKY_SIGMA", "SampleDensity", "density_features", "features_of_photometry"]

APERTURES = tuple(APERTURE_RADII_ARCSEC.index(radius) for radius in (0.7, 1.6, 3.2))
"""Inside the seeing, a small and a large one: these tell stars from galaxies, and a band that is
shifted; neighbours, which every tenth stamp has, lie outside."""

LEAST_SKY_SIGMA = 1e-6
"""Nanomaggies: less noise counts as this much."""

Array = NDArray[np.float64]


def density_features(images: NDArray[Any], ebv: NDArray[Any]) -> Array:
    """Describe galaxies by their photometry, (n, F): see `features_of_photometry`.

    Parameters
    ----------
    images : (n, 32, 32, 5) nanomaggies, NaN where masked, all NaN where a band is absent.
    ebv : (n,) E(B-V) in mag, NaN where unknown.
    """
    flux, _, sigma = aperture_photometry(images)
    return features_of_photometry(flux, np.log(np.maximum(sigma, LEAST_SKY_SIGMA)), ebv)


def features_of_photometry(flux: NDArray[Any], log_sky: NDArray[Any], ebv: NDArray[Any]) -> Array:
    """Describe galaxies by what was measured on their stamps, (n, F); NaN where it was not.

    Dereddened asinh fluxes (natural logarithms of bright ones) in three apertures, of u, whose
    profile is noise, in the middle one only; log sky noise per band; E(B-V). An unknown E(B-V)
    counts as 0 on the fluxes, as in the networks: behind much dust, a galaxy is then unlike others.

    Parameters
    ----------
    flux : (n, A, 5) nanomaggies in the apertures of `APERTURE_RADII_ARCSEC`, as observed.
    log_sky : (n, 5) natural logarithm of the sky noise per pixel in nanomaggies.
    ebv : (n,) E(B-V) in mag, NaN where unknown.
    """
    area = np.sqrt((aperture_weights() ** 2).sum(axis=0))[:, None]
    dereddening = 10 ** (0.4 * np.nan_to_num(ebv)[:, None] * np.array(EXTINCTION_PER_EBV))
    scaled = flux * dereddening[:, None] / (2 * area * np.array(SKY_SIGMA))
    inner, middle, outer = (np.arcsinh(scaled[:, aperture]) for aperture in APERTURES)
    parts = [inner[:, 1:], middle, outer[:, 1:], log_sky, ebv[:, None]]
    return np.concatenate(parts, axis=1).astype(np.float64)


def _log_of_sum(logarithms: Array) -> Array:
    """Ln sum exp over the first axis: that of scipy, which takes 0.2 s to import, bit by bit."""
    largest = logarithms.max(axis=0)
    is_largest = logarithms == largest
    n_largest = is_largest.sum(axis=0)
    others = np.exp(np.where(is_largest, -np.inf, logarithms) - largest).sum(axis=0)
    found: Array = np.log1p(others / n_largest) + np.log(n_largest) + largest
    return found


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
        return self.is_unlike(density_features(images, ebv))

    def is_unlike(self, features: Array) -> NDArray[np.bool_]:
        """Whether each galaxy (n,) is unlike the sample, by its `density_features` (n, F)."""
        return self.log_density(features) < self.lowest_log_density

    def log_density(self, features: Array) -> Array:
        """Natural logarithm of the density at features (n, F), what is missing filled in."""
        values = self._filled(features[:, self.features])
        whitening = self._whitening
        white = (values - self.means[:, None]) @ whitening.transpose(0, 2, 1)
        squared = np.einsum("knd,knd->kn", white, white) + len(self.features) * np.log(2 * np.pi)
        log_scale = np.log(np.diagonal(whitening, axis1=1, axis2=2)).sum(axis=1)
        of_components = (np.log(self.weights) + log_scale)[:, None] - squared / 2
        return _log_of_sum(of_components)

    @cached_property
    def _whitening(self) -> Array:
        """Inverse Cholesky factors (K, D, D) of the covariances, which make them unit matrices."""
        return np.linalg.inv(np.linalg.cholesky(self.covariances))

    def _filled(self, values: Array) -> Array:
        """Put what is missing where the features that were measured expect it, in the sample."""
        mean, covariance = self._moments
        incomplete = np.flatnonzero(np.isnan(values).any(axis=1))
        if not len(incomplete):
            return values
        filled = values.copy()
        patterns, pattern_of = np.unique(np.isnan(values[incomplete]), axis=0, return_inverse=True)
        for number, missing in enumerate(patterns):
            rows, known = incomplete[pattern_of.ravel() == number], ~missing
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
