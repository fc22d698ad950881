"""Fisher-matrix errors of each stamp's own parameters, given its own noise.

F = sum over bands and pixels of (dI/dp) (dI/dp)^T / variance, for p = five fluxes, ln of the disc's
half-light radius, its axis ratio, and a shift of the bulge fraction common to the bands. Centre,
angle and PSF are taken as known: these are the errors of a careful measurement, not of a pipeline.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["fisher_sigma"]

Array = NDArray[np.float64]

_PRIOR_SIGMA = (1.0, 1.0, 1.0)
"""Gaussian priors on ln radius, axis ratio and bulge fraction, each as wide as what is possible:
without them the disc of a pure bulge has no error at all."""


def fisher_sigma(
    shapes: NDArray[np.float32],
    *,
    flux: Array,
    bulge_fraction: Array,
    variance: NDArray[np.float32],
) -> tuple[Array, Array]:
    """1-sigma errors of fluxes and shape.

    Parameters
    ----------
    shapes : (M, 5, 4, side, side) unit-flux stamps as `rendering.render_shapes` gives them.
    flux, bulge_fraction : (M, 5).
    variance : (M, 5, side, side) of each pixel, nanomaggies^2; NaN where masked.

    Returns
    -------
    sigma_flux : (M, 5) nanomaggies.
    sigma_shape : (M, 3) of ln(disc half-light radius), disc axis ratio, bulge fraction.
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
    sigma = np.sqrt(np.diagonal(_inverse(information), axis1=1, axis2=2))
    return sigma[:, :5], sigma[:, 5:]


def _mixing(flux: Array, bulge_fraction: Array) -> Array:
    """(M, 5, 4, 4): how the unit-flux shapes mix into dI/d(flux, ln radius, axis ratio, bulge)."""
    mixing = np.zeros((*flux.shape, 4, 4))
    mixing[..., 0, 0] = 1 - bulge_fraction
    mixing[..., 0, 1] = bulge_fraction
    mixing[..., 1, 2] = mixing[..., 2, 3] = flux * (1 - bulge_fraction)
    mixing[..., 3, 0], mixing[..., 3, 1] = -flux, flux
    return mixing


def _inverse(information: Array) -> Array:
    """Inverse of positive definite matrices, scaled to unit diagonal first for accuracy."""
    scale = 1 / np.sqrt(np.diagonal(information, axis1=1, axis2=2))
    outer = scale[:, :, None] * scale[:, None, :]
    return np.linalg.inv(information * outer) * outer
