"""Facts of SDSS imaging, and the stamps cut from it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AB_MINUS_SDSS",
    "BANDS",
    "EFFECTIVE_WAVELENGTH",
    "EXTINCTION_PER_EBV",
    "LARGEST_PIXEL",
    "PIXEL_SCALE",
    "SKY_SIGMA",
    "SOFTENED_UNIT",
    "STAMP_SIDE",
    "extinction",
    "has_nan",
]

BANDS = "ugriz"

EFFECTIVE_WAVELENGTH = (3551.0, 4686.0, 6166.0, 7480.0, 8932.0)
"""Of ugriz, Angstrom: Fukugita et al. 1996."""

PIXEL_SCALE = 0.396
"""arcsec per pixel."""

STAMP_SIDE = 32
"""pixels on a side of a stamp; the galaxy sits at the geometric centre, (15.5, 15.5)."""

EXTINCTION_PER_EBV = (5.155, 3.793, 2.751, 2.086, 1.479)
"""A_b / E(B-V) in ugriz: Schlegel, Finkbeiner & Davis 1998, table 6 (SDSS imaging to DR12)."""

AB_MINUS_SDSS = (-0.036, 0.012, 0.010, 0.028, 0.040)
"""m_AB - m_SDSS in ugriz: Blanton & Roweis 2007, as kcorrect's own SDSS class applies them."""

SKY_SIGMA = (0.043, 0.017, 0.027, 0.044, 0.175)
"""Sky noise in ugriz, nanomaggies per pixel rms, measured on six real frames."""

LARGEST_PIXEL = 1e10
"""Nanomaggies: a star of magnitude -2.5 in one pixel; beyond is a program's sign for "none".

The square of a stamp of such pixels, dereddened by `dataset.stamps.LARGEST_EBV` and over the noise
of the sky, fits a float32, so that no such galaxy can spoil the answers of its whole file.
"""

SOFTENED_UNIT = "softened to [0, 1], no flux"
"""What stands for a unit where pixels were softened: they are read as they are."""


def has_nan(images: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether any number of each image (n, ...) is NaN, (n,); in one pass, which keeps nothing."""
    if not images.size:
        return np.zeros(len(images), np.bool_)
    largest = images.max(axis=tuple(range(1, images.ndim)))  # a NaN is larger than all else
    return np.asarray(np.isnan(largest))


def extinction(ebv: NDArray[Any]) -> NDArray[np.float64]:
    """Galactic extinction A_b (..., 5) in magnitudes, given E(B-V) (...); NaN where unknown."""
    magnitudes: NDArray[np.float64] = np.multiply.outer(
        np.asarray(ebv, np.float64), EXTINCTION_PER_EBV
    )
    return magnitudes
