"""The five kcorrect templates seen through the SDSS bands, and their fit to real galaxies.

Templates: kcorrect-default-v4 (Blanton & Roweis 2007), emission lines included. A galaxy is a
non-negative sum of them; `coefficients` are the weights. kcorrect works in AB maggies; everything
that leaves this module is in nanomaggies of the SDSS system, as the frames are.
"""

import warnings
from dataclasses import dataclass
from importlib.resources import files

import kcorrect.kcorrect
import kcorrect.template
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pix2z.imaging import AB_MINUS_SDSS

__all__ = [
    "TemplateGrid",
    "fit_templates",
    "load_template_grid",
    "template_flux",
    "template_spectra",
]

Array = NDArray[np.float64]

_ERROR_FLOOR = np.array([0.05, 0.02, 0.02, 0.02, 0.03])
"""Smallest relative flux error in ugriz, as kcorrect's SDSS class adds in quadrature."""

_MAGGY = 1e9 * 10 ** (0.4 * np.array(AB_MINUS_SDSS))
"""SDSS nanomaggies per AB maggy, ugriz."""


@dataclass(frozen=True)
class TemplateGrid:
    """Template fluxes through ugriz on a redshift grid.

    `projector` is kcorrect's own object, needed for fits; `flux` has shape (Z, 5 bands, 5
    templates), SDSS nanomaggies at unit coefficients, the distance not included.
    """

    redshift: Array
    flux: Array
    projector: kcorrect.kcorrect.Kcorrect


def load_template_grid(*, z_max: float = 0.45, n_redshift: int = 451) -> TemplateGrid:
    """Project the templates on ugriz from z = 0 to `z_max` (about 2 s; linear between points)."""
    with warnings.catch_warnings():
        # kcorrect leaves the closing of its response files to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        projector = kcorrect.kcorrect.Kcorrect(
            templates=_load_templates(),
            responses=[f"sdss_{band}0" for band in "ugriz"],
            redshift_range=[0.0, z_max],
            nredshift=n_redshift,
        )
    redshift = np.asarray(projector.redshifts, np.float64)
    flux = np.asarray(projector.Amatrix.y, np.float64) * _MAGGY[None, :, None]
    return TemplateGrid(redshift=redshift, flux=flux, projector=projector)


def _load_templates() -> kcorrect.template.SED:
    """Read the default templates; kcorrect's own reader leaves the file open."""
    path = files("kcorrect") / "data" / "templates" / "kcorrect-default-v4.fits"
    with fits.open(str(path), memmap=False) as hdus:
        table = hdus["FLUX"].data
        return kcorrect.template.SED(wave=table["wave"][0].copy(), flux=table["flux"][0].copy())


def template_spectra(*, low: float = 1500.0, high: float = 12_000.0) -> tuple[Array, Array]:
    """Rest-frame spectra of the five templates: wavelengths (M,) in Angstrom and flux (5, M).

    Flux per Angstrom, lines included, between `low` and `high` Angstrom, every 257 km/s. Lines have
    a sigma of about 210 km/s, broader than SDSS shows most of them (the spectrograph's is 70 km/s).

    Wavelengths are in **vacuum**, stars and lines alike, though the stellar models they are made of
    (Bruzual & Charlot 2003) came in air, as a fit of single lines shows: H delta of the youngest
    template (number 4) is at 4102.91 Angstrom (4102.89 in vacuum, 4101.73 in air), its H gamma at
    4341.71 (4341.68, 4340.46), Ca K of template 3 at 3934.4 (3934.78, 3933.66), [O III] of template
    1 at 5008.16 (5008.24, 5006.84). Nothing is converted.
    """
    templates = _load_templates()
    wavelength = np.asarray(templates.wave, np.float64)
    within = (wavelength >= low) & (wavelength <= high)
    return wavelength[within], np.asarray(templates.flux, np.float64)[:, within]


def fit_templates(grid: TemplateGrid, *, z: Array, flux: Array, inverse_variance: Array) -> Array:
    """Non-negative template coefficients (N, 5) of dereddened fluxes (N, 5) in nanomaggies."""
    variance = 1 / inverse_variance + (_ERROR_FLOOR * flux) ** 2
    fitted = grid.projector.fit_coeffs(redshift=z, maggies=flux / _MAGGY, ivar=_MAGGY**2 / variance)
    return np.asarray(fitted, np.float64)


def template_flux(grid: TemplateGrid, *, z: Array, coefficients: Array) -> Array:
    """Fluxes (N, 5) in nanomaggies of template sums at redshift `z`, without the distance factor.

    A galaxy moved from z to z' has flux(z') = template_flux(z') * (D_L(z) / D_L(z'))**2, with the
    same coefficients: that is its K-correction (Hogg et al. 2002, eq. 13).
    """
    step = grid.redshift[1] - grid.redshift[0]
    position = np.asarray(z, np.float64) / step
    low = np.clip(position.astype(np.int64), 0, len(grid.redshift) - 2)
    weight = (position - low)[:, None, None]
    matrix = (1 - weight) * grid.flux[low] + weight * grid.flux[low + 1]
    result: Array = np.einsum("nbt,nt->nb", matrix, coefficients)
    return result
