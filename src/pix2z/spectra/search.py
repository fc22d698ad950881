"""How redshifts are searched in a file of spectra: for `pix2z redshift`, and for the report alike.

Spectra that were measured are fitted as they are. Those that a network made of images are fitted as
their file says, since its basis goes with those numbers; and as nothing is known beyond z_min and
z_max, a minimum of chi-square at an end of that range is a slope and no minimum.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.template_redshift import SpectrumRedshifts, fit_redshifts, join_redshifts
from pix2z.spectra.templates import Templates
from pix2z.wavelengths import binned

if TYPE_CHECKING:
    from pix2z.spectra.spectrum_files import SpectrumFile

__all__ = ["Search", "file_redshifts"]

Array = NDArray[np.float64]

BLOCK_ROWS = 256
"""Spectra that are in memory at a time."""


@dataclass(frozen=True)
class Search:
    """Settings of a search; the defaults are for spectra that were measured.

    z_min, z_max : first and last redshift.
    degree : of the polynomial that is added to the templates.
    n_templates : how many of the templates are fitted, from the first; None for all.
    n_pixels : means over neighbouring wavelengths that are fitted; None for all wavelengths.

    Raises
    ------
    ValueError
        A number makes no sense.
    """

    z_min: float = -0.005
    z_max: float = 0.6
    degree: int = 2
    n_templates: int | None = None
    n_pixels: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not -1 < self.z_min < self.z_max < np.inf:
            raise ValueError(
                f"expected -1 < first < last redshift; received {self.z_min:g}, {self.z_max:g}"
            )
        for name, least in (("degree", 0), ("n_templates", 1), ("n_pixels", 16)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"expected {name} of {least} or more; received {value}")


def file_redshifts(
    spectra: "SpectrumFile", templates: Templates, search: Search, *, coarse: int = 1
) -> SpectrumRedshifts:
    """Search the redshifts of all spectra of an open file; `coarse` as in `fit_redshifts`."""
    wavelength, n_pixels = spectra.wavelength, search.n_pixels
    if n_pixels is not None:
        wavelength = np.exp(binned(np.log(wavelength)[None], n_pixels)[0])
    templates = replace(templates, flux=templates.flux[: search.n_templates])
    blocks = []
    for first in range(0, len(spectra), BLOCK_ROWS):
        flux, ivar = spectra.read(first, min(first + BLOCK_ROWS, len(spectra)))
        if n_pixels is not None:
            flux, ivar = binned(flux, n_pixels), _ivar_of_means(ivar, n_pixels)
        blocks.append(
            fit_redshifts(
                wavelength,
                flux,
                ivar,
                templates,
                z_min=search.z_min,
                z_max=search.z_max,
                degree=search.degree,
                coarse=coarse,
            )
        )
    fit = join_redshifts(blocks)
    return fit if spectra.search is None else _best_inside(fit, search)


def _ivar_of_means(ivar: Array | None, n: int) -> Array | None:
    """Inverse variances (N, n) of means over wavelengths, of those of spectra (N, L).

    The error of a mean is the mean of the errors, not less: where a network is wrong it is so at
    neighbouring wavelengths alike.
    """
    if ivar is None:
        return None
    with np.errstate(divide="ignore"):  # no weight is an infinite error
        return np.asarray(binned(1 / np.sqrt(ivar), n) ** -2, np.float64)


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
