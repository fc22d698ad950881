"""Fisher-matrix covariance of each stamp's own parameters, given its own noise.

F = sum over bands and pixels of (dI/dp) (dI/dp)^T / variance, for p = five fluxes, ln of the disc's
half-light radius, its axis ratio, and a shift of the bulge fraction common to the bands. Centre,
angle, PSF, the bulge's own shape and neighbours are taken as known: these are the errors of a
careful measurement, not of a pipeline. Flux errors are correlated between bands, since all bands
share one shape; that is why the whole covariance is kept.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARAMETERS", "fisher_cholesky", "marginal_sigma"]

Array = NDArray[np.float64]

PARAMETERS = (
    *("flux_u", "flux_g", "flux_r", "flux_i", "flux_z"),
    *("disc_half_light_radius", "disc_axis_ratio", "bulge_fraction"),
)
"""Order of rows and columns: nanomaggies, arcsec, and the rest without unit."""

_RADIUS = PARAMETERS.index("disc_half_light_radius")

_PRIOR_SIGMA = (1.0, 1.0, 1.0)
"""Gaussian priors on ln radius, axis ratio and bulge fraction, each as wide as what is possible:
without them the disc of a pure bulge has no error at all."""


def fisher_cholesky(
    shapes: NDArray[np.float32],
    *,
    flux: Array,
    bulge_fraction: Array,
    disc_half_light_radius: Array,
    variance: NDArray[np.float32],
) -> Array:
    """Lower Cholesky factor L of the covariance L L^T of `PARAMETERS`, (M, 8, 8).

    Parameters
    ----------
    shapes : (M, 5, 4, side, side) unit-flux stamps as `rendering.render_shapes` gives them.
    flux, bulge_fraction : (M, 5).
    disc_half_light_radius : (M,) arcsec.
    variance : (M, 5, side, side) of each pixel, nanomaggies^2; NaN where masked.
    """
    m = len(flux)
    inverse_sigma = np.where(np.isnan(variance), 0, 1 / np.sqrt(variance)).reshape(m, 5, 1, -1)
    weighted = shapes.reshape(m, 5, 4, -1) * inverse_sigma
    products = (weighted @ weighted.transpose(0, 1, 3, 2)).astype(np.float64)
    mixing = _mixing(flux, bulge_fraction)
    blocks = mixing @ products @ mixing.transpose(0, 1, 3, 2)
    information = np.zeros((m, 8, 8))
    for band in range(5):
        rows = np.array([band, 5, 6, 7])
        information[:, rows[:, None], rows] += blocks[:, band]
    information[:, [5, 6, 7], [5, 6, 7]] += 1 / np.square(_PRIOR_SIGMA)
    factor = _inverse_cholesky(information)
    factor[:, _RADIUS] *= disc_half_light_radius[:, None]  # dR = R d(ln R)
    return factor


def marginal_sigma(factor: NDArray[np.floating]) -> Array:
    """1-sigma errors (M, 8) of `PARAMETERS`, each with the others free: norms of L's rows."""
    return np.asarray(np.linalg.norm(factor.astype(np.float64), axis=2))


def _mixing(flux: Array, bulge_fraction: Array) -> Array:
    """(M, 5, 4, 4): how the unit-flux shapes mix into dI/d(flux, ln radius, axis ratio, bulge)."""
    mixing = np.zeros((*flux.shape, 4, 4))
    mixing[..., 0, 0] = 1 - bulge_fraction
    mixing[..., 0, 1] = bulge_fraction
    mixing[..., 1, 2] = mixing[..., 2, 3] = flux * (1 - bulge_fraction)
    mixing[..., 3, 0], mixing[..., 3, 1] = -flux, flux
    return mixing


def _inverse_cholesky(information: Array) -> Array:
    """Lower Cholesky factors of inverses, scaled to unit diagonal first for accuracy.

    With rows and columns reversed, the factor of F is an upper U with F = U U^T; then
    F^-1 = L L^T with L = U^-T, lower.
    """
    scale = 1 / np.sqrt(np.diagonal(information, axis1=1, axis2=2))
    scaled = information * scale[:, :, None] * scale[:, None, :]
    upper = np.linalg.cholesky(scaled[:, ::-1, ::-1])[:, ::-1, ::-1]
    return np.asarray(np.linalg.inv(upper).transpose(0, 2, 1) * scale[:, :, None])
