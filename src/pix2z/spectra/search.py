"""Redshifts of all spectra of a file: for `pix2z redshift`, and for the report alike.

Spectra that were measured are fitted as they are; where the next best redshift fits them about as
well as the best, neither need be right: the galaxy may lie beyond the range. Those that a network
made of images are fitted as their file says, since its basis goes with those numbers; and as
nothing is known beyond z_min and z_max, a minimum of chi-square at an end of that range is a slope
and no minimum.
"""

from dataclasses import replace

import numpy as np

from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.spectrum_files import SpectrumFile
from pix2z.spectra.template_redshift import SpectrumRedshifts, fit_redshifts, join_redshifts
from pix2z.spectra.templates import Search, Templates

__all__ = ["Search", "file_redshifts", "flag_alike"]

BLOCK_ROWS = 256
"""Spectra that are in memory at a time."""

ALIKE = 0.3
"""Of a measured spectrum: share of the fall of chi-square, from a polynomial alone to the best
redshift, that the next best must lack for the best to be believed. It does not change where all
errors are too small. Six galaxies of SDSS, with noise to a signal-to-noise ratio of 5 per pixel,
lack 0.46 to 0.8 of it; as they are, but beyond the range, six of seven lack less than 0.3."""


def file_redshifts(
    spectra: SpectrumFile, templates: Templates, search: Search, *, coarse: int = 1
) -> SpectrumRedshifts:
    """Search the redshifts of all spectra of an open file; `coarse` as in `fit_redshifts`."""
    blocks = []
    for first in range(0, len(spectra), BLOCK_ROWS):
        flux, ivar = spectra.read(first, min(first + BLOCK_ROWS, len(spectra)))
        blocks.append(
            fit_redshifts(spectra.wavelength, flux, ivar, templates, search, coarse=coarse)
        )
    fit = join_redshifts(blocks)
    return flag_alike(fit) if spectra.search is None else _best_inside(fit, search)


def flag_alike(fit: SpectrumRedshifts) -> SpectrumRedshifts:
    """Flag redshifts of measured spectra whose next best fits about as well: see `ALIKE`."""
    alike = fit.delta_chi2 <= ALIKE * (fit.chi2_alone - fit.chi2)
    return replace(fit, flags=fit.flags | np.where(alike, FitFlag.AMBIGUOUS, 0).astype(np.int32))


def _best_inside(fit: SpectrumRedshifts, search: Search) -> SpectrumRedshifts:
    """Choose redshifts of reconstructions inside the range searched, and flag the doubtful ones.

    Where the best redshift is an end of the range, it changes places with the second, unless that
    is an end too; `delta_chi2` is then less than 0. Errors are taken away, since they hold for
    independent pixels only.
    """
    at_end = (fit.flags & FitFlag.AT_END) > 0
    swapped = at_end & (fit.z_second > search.z_min) & (fit.z_second < search.z_max)
    unsure = FitFlag.AMBIGUOUS | FitFlag.AT_END
    doubtful = np.where(fit.flags & unsure, FitFlag.DOUBTFUL, 0)
    return replace(
        fit,
        z=np.where(swapped, fit.z_second, fit.z),
        z_err=np.full(len(fit), np.nan),
        chi2=np.where(swapped, fit.chi2 + fit.delta_chi2, fit.chi2),
        z_second=np.where(swapped, fit.z, fit.z_second),
        delta_chi2=np.where(swapped, -fit.delta_chi2, fit.delta_chi2),
        flags=(fit.flags & ~unsure | doubtful).astype(np.int32),
    )
