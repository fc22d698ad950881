"""The bits of columns of flags: of what is read off images, and of redshifts read off spectra.

A column holds the sum of its bits; 0 says that nothing is to be said. (The flags of galaxies.h5,
which tell what ingest saw, are those of `ingest.checks`.)
"""

import re
from collections.abc import Mapping
from enum import IntFlag
from typing import Any

from numpy.typing import NDArray

__all__ = [
    "FIT_FLAG_MEANINGS",
    "IMAGE_FLAG_MEANINGS",
    "SPECTRUM_FLAG_MEANINGS",
    "FitFlag",
    "FlagCounts",
    "ImageFlag",
    "in_words",
]


class ImageFlag(IntFlag):
    """What is said of a redshift or a spectrum that a network made from images."""

    BAND_ABSENT = 1
    PIXELS_MASKED = 2
    EBV_UNKNOWN = 4
    BLANK = 8
    NO_R_FLUX = 16
    UNLIKE_SAMPLE = 32
    AT_GRID_END = 64
    SEVERAL_MODES = 128


IMAGE_FLAG_MEANINGS: Mapping[int, str] = {
    ImageFlag.BAND_ABSENT: "a band is absent",
    ImageFlag.PIXELS_MASKED: "pixels are masked or impossible",
    ImageFlag.EBV_UNKNOWN: "E(B-V) is unknown",
    ImageFlag.BLANK: "every band is blank, so there is no redshift",
    ImageFlag.UNLIKE_SAMPLE: "unlike the training galaxies: rarer than 99 % of them",
    ImageFlag.AT_GRID_END: "near an end of the redshift range: the highest peak of the PDF is "
    "closer to it than the error",
    ImageFlag.SEVERAL_MODES: "several peaks: one that is apart from the highest holds at least 5 % "
    "of the PDF",
}
"""Bit -> what it says of a redshift."""

SPECTRUM_FLAG_MEANINGS: Mapping[int, str] = {
    **{bit: IMAGE_FLAG_MEANINGS[bit] for bit in (1, 2, 4)},
    ImageFlag.BLANK: "every band is blank, so there is no spectrum",
    ImageFlag.NO_R_FLUX: "the r flux is unknown, so the spectrum is relative to its mean in r",
}
"""Bit -> what it says of a spectrum; an r flux that is not positive counts as unknown."""


class FitFlag(IntFlag):
    """What is said of a redshift that templates found in a spectrum."""

    NO_DATA = 1
    FEW_PIXELS = 2
    AMBIGUOUS = 4
    AT_END = 8
    NEGATIVE_FLUX = 16
    DOUBTFUL = 32


FIT_FLAG_MEANINGS: Mapping[int, str] = {
    FitFlag.NO_DATA: "no redshift: no good pixels, too few for a fit, or out of the templates' "
    "reach",
    FitFlag.FEW_PIXELS: "fewer than half of the pixels are good",
    FitFlag.AMBIGUOUS: "another redshift fits nearly as well (less than 3 sigma apart)",
    FitFlag.AT_END: "the best redshift is the first or last that was tried: no error",
    FitFlag.NEGATIVE_FLUX: "the mean flux is not positive",
    FitFlag.DOUBTFUL: "doubtful: reconstructed from images, and another redshift fits nearly as "
    "well, or an end of the range that was searched fits best",
}
"""Bit -> what it says of a redshift read off a spectrum."""


def in_words(meanings: Mapping[int, str]) -> str:
    """Bits and what they say, as "1: a band is absent; 2: ..."."""
    return "; ".join(f"{int(bit)}: {meaning}" for bit, meaning in meanings.items())


class FlagCounts:
    """How many rows have any flag, and how many have each; rows are added as they come."""

    def __init__(self, meanings: Mapping[int, str]) -> None:
        """Count the bits that have a meaning."""
        self._meanings = meanings
        self.n_flagged = 0
        self.n_by_flag = dict.fromkeys(meanings, 0)

    def add(self, flags: NDArray[Any]) -> None:
        """Count the flags (n,) of some rows."""
        self.n_flagged += int((flags != 0).sum())
        for bit in self.n_by_flag:
            self.n_by_flag[bit] += int((flags & bit != 0).sum())

    def merge(self, other: "FlagCounts") -> None:
        """Count the rows that another one has counted."""
        self.n_flagged += other.n_flagged
        for bit, n in other.n_by_flag.items():
            self.n_by_flag[bit] += n

    def __str__(self) -> str:
        """Say how many are flagged and why, as "1 flagged (a band is absent: 1)"."""
        names = {bit: re.split(r",|:| \(", text)[0] for bit, text in self._meanings.items()}
        kinds = [f"{names[bit]}: {n:,}" for bit, n in self.n_by_flag.items() if n]
        return f"{self.n_flagged:,} flagged" + (f" ({', '.join(kinds)})" if kinds else "")
