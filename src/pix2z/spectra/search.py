"""Redshifts of all spectra of a file: for `pix2z redshift`, and for the report alike.

Spectra that were measured are fitted as they are. Those that a network made of images are fitted as
their file says, since its basis goes with those numbers; and as nothing is known beyond z_min and
z_max, a minimum of chi-square at an end of that range is a slope and no minimum.
"""

from dataclasses import replace

import numpy as np

from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.spectrum_files import SpectrumFile
from pix2z.spectra.template_redshift import SpectrumRedshifts, fit_redshifts, join_redshifts
from pix2z.spectra.templates import Search, Templates

__all__ = ["Search", "file_redshifts"]

BLOCK_ROWS = 256
"""Spectra that are in memory at a time."""


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
    return fit if spectra.search is None else _best_inside(fit, search)


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
