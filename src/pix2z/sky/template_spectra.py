"""Spectra of galaxies as sums of the kcorrect templates, on any wavelengths."""

import numpy as np
from numpy.typing import NDArray

from pix2z.sky.templates import template_spectra
from pix2z.wavelengths import WavelengthGrid

__all__ = ["TemplateSpectra"]

Array = NDArray[np.float64]


class TemplateSpectra:
    """The templates on the pixels of a grid, ready to be shifted: made once, used on blocks.

    Parameters
    ----------
    grid : observed wavelengths.
    z_max : highest redshift asked for.
    """

    def __init__(self, grid: WavelengthGrid, *, z_max: float) -> None:
        wavelength, flux = template_spectra()
        self._grid = grid
        self._shifts = int(np.ceil(np.log1p(z_max) / grid.step)) + 1
        pixels = np.arange(-self._shifts, grid.n + 1)
        rest = np.log(grid.low) + grid.step * pixels
        self._templates = np.stack([np.interp(rest, np.log(wavelength), one) for one in flux])

    def observed(self, coefficients: Array, z: Array) -> NDArray[np.float32]:
        """Flux density (n, L) in erg / (s cm2 Angstrom) of galaxies at redshifts z (n,).

        Parameters
        ----------
        coefficients : (n, 5), as `templates.fit_templates` gives them.
        """
        n, step = self._grid.n, self._grid.step
        observed = np.empty((len(z), n), np.float32)
        for row, (weights, one) in enumerate(zip(coefficients, z, strict=True)):
            place = self._shifts - np.log1p(one) / step
            first = int(place)
            rest = weights @ self._templates[:, first : first + n + 1]
            share = place - first
            observed[row] = ((1 - share) * rest[:-1] + share * rest[1:]) / (1 + one)
        return observed
