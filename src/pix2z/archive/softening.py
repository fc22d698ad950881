"""Softened stamps, as an older system fed them to its network: scaled, smoothed and stretched.

Softening takes brightness and colours away: each band of each galaxy then has the same largest
pixel. It is here to be compared with, not to be recommended.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["soften"]


def soften(
    stamps: NDArray[np.float32],
    *,
    smoothing: float = 1.0,
    blend: float = 0.5,
    gamma: float = 0.8,
    stretch: float = 10.0,
) -> NDArray[np.float32]:
    """Soften each band of each stamp by itself, to [0, 1]; NaN stays NaN.

    Over its largest pixel, x = (1 - blend) x + blend Gaussian(x); then, with negative pixels at 0,
    log(1 + stretch x^gamma) / log(1 + stretch), clipped to [0, 1].

    Parameters
    ----------
    stamps : (..., side, side, bands) fluxes in any unit; a band without a positive pixel becomes 0.
    smoothing : standard deviation of the Gaussian in pixels.
    blend : share of the smoothed copy, 0 to 1.
    gamma, stretch : below 1, and above 0, both lift what is faint.
    """
    known = np.isfinite(stamps)
    flux = np.where(known, stamps, np.float32(0))
    largest = flux.max(axis=(-3, -2), keepdims=True)
    scaled = np.divide(flux, largest, out=np.zeros_like(flux), where=largest > 0)
    # Divided by the smoothed mask: pixels that are not known count neither as flux nor as zero.
    sigma = (0.0,) * (stamps.ndim - 3) + (smoothing, smoothing, 0.0)
    weight = gaussian_filter(known.astype(np.float32), sigma)
    smooth = np.divide(
        gaussian_filter(scaled, sigma), weight, out=np.zeros_like(scaled), where=weight > 0
    )
    blended = np.maximum((1 - blend) * scaled + blend * smooth, 0)
    stretched = np.log1p(stretch * blended**gamma) / np.log1p(stretch)
    return np.where(known, np.clip(stretched, 0, 1), np.nan).astype(np.float32)
