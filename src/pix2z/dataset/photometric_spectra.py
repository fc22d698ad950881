"""Spectra without a network: kcorrect's templates fitted to the photometry of stamps.

At a known redshift they are targets, where nothing better is known. Averaged over a redshift PDF
they are the classical answer to what a spectrum network is asked.
"""

import math

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry
from pix2z.dataset.sdss_models import relative_to_r
from pix2z.dataset.store import Galaxies
from pix2z.imaging import EXTINCTION_PER_EBV
from pix2z.sky.filters import band_weights
from pix2z.sky.templates import TemplateSpectra, fit_templates, load_template_grid
from pix2z.wavelengths import WavelengthGrid

__all__ = ["PhotometricSpectra"]

APERTURE = APERTURE_RADII_ARCSEC.index(4.4)

Array = NDArray[np.float64]
Flux = NDArray[np.float32]
Rows = NDArray[np.int64]


class PhotometricSpectra:
    """Spectra fitted to dereddened fluxes within 4.4 arcsec: made once, used on blocks of rows.

    Parameters
    ----------
    grid : their wavelengths. z_max : highest redshift asked for.
    """

    def __init__(self, galaxies: Galaxies, grid: WavelengthGrid, *, z_max: float) -> None:
        self._galaxies = galaxies
        self._projector = load_template_grid(z_max=max(0.45, math.ceil(100 * z_max) / 100))
        self._templates = TemplateSpectra(grid, z_max=z_max)
        self._r_weights = band_weights(grid.values, "r")

    def at(self, rows: Rows, z: Array) -> Flux:
        """Flux density (n, L) in erg / (s cm2 Angstrom) of galaxies at redshifts z (n,)."""
        return self._templates.observed(self._coefficients(rows, z[:, None])[:, 0], z)

    def mean_over(self, rows: Rows, z: Array) -> Flux:
        """Mean (n, L) over redshifts z (n, K) of spectra that are relative to r.

        Redshifts of equal weight, as the quantiles of a PDF are. A redshift at which nothing fits
        does not count; where none does, the mean is NaN.
        """
        coefficients = self._coefficients(rows, z)
        total = np.zeros((len(rows), len(self._r_weights)))
        count = np.zeros((len(rows), 1))
        for number in range(z.shape[1]):
            flux = self._templates.observed(coefficients[:, number], z[:, number])
            relative = relative_to_r(flux, self._r_weights)
            known = np.isfinite(relative[:, :1])
            total += np.where(known, relative, 0.0)
            count += known
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return mean.astype(np.float32)

    def _coefficients(self, rows: Rows, z: Array) -> Array:
        """Non-negative weights (n, K, 5) of the templates at redshifts z (n, K)."""
        flux, error, _ = aperture_photometry(self._galaxies.images(rows))
        ebv = self._galaxies.column("ebv", rows)[:, None]
        brightening = 10 ** (0.4 * np.nan_to_num(ebv) * np.array(EXTINCTION_PER_EBV))
        dereddened, sigma = flux[:, APERTURE] * brightening, error[:, APERTURE] * brightening
        known = np.isfinite(dereddened) & (sigma > 0)
        # Next to nothing where a band is absent: the others then decide.
        inverse_variance = np.where(known, 1 / np.maximum(sigma, 1e-6) ** 2, 1e-12)
        fitted = fit_templates(
            self._projector,
            z=z.ravel(),
            flux=np.repeat(np.where(known, dereddened, 0.0).astype(np.float64), z.shape[1], axis=0),
            inverse_variance=np.repeat(inverse_variance, z.shape[1], axis=0),
        )
        return fitted.reshape(*z.shape, -1)
