"""What the telescope and the sky do to a galaxy: seeing, noise, extinction, frame edges.

Sky noise and PSF widths as measured on SDSS frames; the gain turns flux into electrons for the
photon noise of the source.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = [
    "ELECTRONS_PER_NANOMAGGY",
    "PSF_FWHM",
    "correlated_scatter",
    "frame_edge_mask",
    "pixel_variance",
]

Array = NDArray[np.float64]

PSF_FWHM = np.array([1.5, 1.4, 1.3, 1.25, 1.25])
"""Median FWHM of the PSF in ugriz, arcsec."""

ELECTRONS_PER_NANOMAGGY = np.array([165.0, 1020.0, 920.0, 715.0, 132.0])
"""Gain (1.6, 3.85, 4.72, 4.86, 4.8 e-/DN) over the frames' calibration (NMGY: 0.0097, 0.0038,
0.0051, 0.0068, 0.0363 nanomaggies per DN), SDSS camera column 3."""


def correlated_scatter(common: Array, band: Array, *, sigma: float | Array) -> Array:
    """Log-normal factors (N, 5) of rms `sigma`; four fifths of the variance is common to the bands.

    common : (N,) uniform; band : (N, 5) uniform; sigma : one number, or one per band.
    """
    normal = np.sqrt(0.8) * ndtri(common)[:, None] + np.sqrt(0.2) * ndtri(band)
    result: Array = np.exp(sigma * normal)
    return result


def pixel_variance(stamps: NDArray[np.float32], sky_sigma: Array) -> NDArray[np.float32]:
    """Variance of each pixel (N, 5, side, side), nanomaggies^2: sky plus photons of the source."""
    gain = ELECTRONS_PER_NANOMAGGY.astype(np.float32)[:, None, None]
    variance = np.maximum(stamps, 0).astype(np.float32)
    variance /= gain
    variance += np.square(sky_sigma).astype(np.float32)[:, :, None, None]
    return variance


def frame_edge_mask(side: int, direction: Array, depth: Array, shift: Array) -> NDArray[np.bool_]:
    """Pixels beyond the frame's edge, (N, 5, side, side).

    direction : (N,) uniform, which of the four sides is cut.
    depth : (N,) uniform; the edge lies 3 to side/2 - 4 pixels inside the stamp.
    shift : (N, 5) uniform; bands are shifted by up to 2 pixels against each other.
    """
    cut = np.floor(3 + (side / 2 - 6) * depth)[:, None] + np.floor(5 * shift) - 2
    beyond = np.arange(side) < cut[..., None]  # (N, 5, side)
    turns = np.floor(4 * direction).astype(int)
    beyond = np.where((turns % 2 == 1)[:, None, None], beyond[..., ::-1], beyond)
    along_rows = (turns < 2)[:, None, None, None]
    return np.where(along_rows, beyond[..., :, None], beyond[..., None, :])
