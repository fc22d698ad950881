"""Bits of the column `flags` of what is written for a file of images."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pix2z.redshift_pdf.redshifts import (
    FLAG_BAND_ABSENT,
    FLAG_EBV_UNKNOWN,
    FLAG_NO_R_FLUX,
    FLAG_PIXELS_MASKED,
)

__all__ = [
    "FLAG_BLANK",
    "FLAG_MEANINGS",
    "SPECTRUM_FLAG_MEANINGS",
    "blank_stamps",
]

FLAG_BLANK = 8

FLAG_MEANINGS: Mapping[int, str] = {
    FLAG_BAND_ABSENT: "a band is absent",
    FLAG_PIXELS_MASKED: "pixels are masked or impossible",
    FLAG_EBV_UNKNOWN: "E(B-V) is unknown",
    FLAG_BLANK: "every band is blank, so there is no redshift",
}
"""Bit -> what it says of a redshift."""

SPECTRUM_FLAG_MEANINGS: Mapping[int, str] = {
    **FLAG_MEANINGS,
    FLAG_BLANK: "every band is blank, so there is no spectrum",
    FLAG_NO_R_FLUX: "the r flux is unknown, so the spectrum is relative to its mean in r",
}
"""Bit -> what it says of a spectrum; an r flux that is not positive counts as unknown."""


def blank_stamps(images: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether every pixel in every band is NaN, (n,)."""
    return np.asarray(np.isnan(images).all(axis=(1, 2, 3)))
