"""What is said of a redshift read from a spectrum: bits that add up."""

from enum import IntFlag

__all__ = ["FLAG_MEANINGS", "Flag"]


class Flag(IntFlag):
    """One bit per finding; 0 says that nothing was found."""

    NO_DATA = 1
    FEW_PIXELS = 2
    AMBIGUOUS = 4
    AT_END = 8
    NEGATIVE_FLUX = 16
    RECONSTRUCTED = 32


FLAG_MEANINGS = {
    Flag.NO_DATA: "no redshift: no good pixels, too few for a fit, or out of the templates' reach",
    Flag.FEW_PIXELS: "fewer than half of the pixels are good",
    Flag.AMBIGUOUS: "another redshift fits nearly as well (less than 3 sigma apart)",
    Flag.AT_END: "the best redshift is the first or last that was tried: no error",
    Flag.NEGATIVE_FLUX: "the mean flux is not positive",
    Flag.RECONSTRUCTED: "reconstructed from images: errors of its pixels go together, so no error",
}
