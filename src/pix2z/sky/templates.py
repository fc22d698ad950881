"""The five kcorrect templates seen through the SDSS bands, and their fit to real galaxies.

Templates: kcorrect-default-v4 (Blanton & Roweis 2007), emission lines included. A galaxy is a
non-negative sum of them; `coefficients` are the weights. kcorrect works in AB maggies; everything
that leaves this module is in nanomaggies of the SDSS system, as the frames are.
"""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pix2z.imaging import AB_MINUS_SDSS

if TYPE_CHECKING:  # an edit of wavelengths renders no sky again
    from kcorrect.kcorrect import Kcorrect

    from pix2z.wavelengths import WavelengthGrid

__all__ = [
    "TEMPLATE_SCATTER",
    "TemplateGrid",
    "TemplateSpectra",
    "fit_templates",
    "load_template_grid",
    "template_flux",
    "template_grid",
    "template_matrix",
    "template_spectra",
]

Array = NDArray[np.float64]

_ERROR_FLOOR = np.array([0.05, 0.02, 0.02, 0.02, 0.03])
"""Smallest relative flux error in ugriz, as kcorrect's SDSS class adds in quadrature."""

TEMPLATE_SCATTER = np.array([0.038, 0.0055, 0.0013, 0.0031, 0.0060])
"""Relative scatter of real fluxes in ugriz about the templates fitted to them, beyond what the flux
errors and the calibration of a field put there; tests/sky/template_residuals.py measures it."""

_MAGGY = 1e9 * 10 ** (0.4 * np.array(AB_MINUS_SDSS))
"""SDSS nanomaggies per AB maggy, ugriz."""

_REDDEST = 15_000.0
"""Angstrom: filters end below 11,500. Templates go on to 0.3 mm, and kcorrect would fit its spline
to all of it at each redshift."""


@dataclass(frozen=True)
class TemplateGrid:
    """Template fluxes through ugriz on a redshift grid.

    `projector` is kcorrect's own object, needed for fits; `flux` has shape (Z, 5 bands, 5
    templates), SDSS nanomaggies at unit coefficients, the distance not included.
    """

    redshift: Array
    flux: Array
    projector: "Kcorrect"


def load_template_grid(*, z_max: float = 0.45) -> TemplateGrid:
    """Project the templates on ugriz from z = 0 to z_max (about 2 s; linear between points)."""
    return template_grid([f"sdss_{band}0" for band in "ugriz"], _MAGGY, z_max=z_max)


def template_grid(responses: list[str], nanomaggies: Array, *, z_max: float) -> TemplateGrid:
    """Project the templates on filters that kcorrect knows.

    nanomaggies : (bands,) of an AB maggy in each.
    """
    # With matplotlib and cosmologies, which take half a second; spectra need none of it.
    from kcorrect.kcorrect import Kcorrect
    from kcorrect.template import SED

    wave, flux = _load_templates()
    with warnings.catch_warnings():
        # kcorrect leaves the closing of its response files to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        projector = Kcorrect(
            templates=SED(wave=wave, flux=flux),
            responses=responses,
            redshift_range=[0.0, z_max],
            nredshift=round(1000 * z_max) + 1,
        )
    redshift = np.asarray(projector.redshifts, np.float64)
    through = np.asarray(projector.Amatrix.y, np.float64) * nanomaggies[None, :, None]
    return TemplateGrid(redshift=redshift, flux=through, projector=projector)


def _load_templates() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read the default templates up to `_REDDEST`: wavelengths (M,) and flux (5, M)."""
    package = find_spec("kcorrect")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("kcorrect is not installed", name="kcorrect")
    path = Path(package.origin).parent / "data" / "templates" / "kcorrect-default-v4.fits"
    with fits.open(path, memmap=False) as hdus:
        table = hdus["FLUX"].data
        wave, flux = table["wave"][0], table["flux"][0]
        kept = wave <= _REDDEST
        return wave[kept], flux[:, kept]


def template_spectra() -> tuple[Array, Array]:
    """Rest-frame spectra of the five templates: wavelengths (M,) in Angstrom and flux (5, M).

    Flux per Angstrom, lines included, between 1500 and 12,000 Angstrom, every 257 km/s. Lines have
    a sigma of about 210 km/s, broader than SDSS shows most of them (the spectrograph's is 70 km/s).

    Wavelengths are in **vacuum**, stars and lines alike, though the stellar models they are made of
    (Bruzual & Charlot 2003) came in air, as a fit of single lines shows: H delta of the youngest
    template (number 4) is at 4102.91 Angstrom (4102.89 in vacuum, 4101.73 in air), its H gamma at
    4341.71 (4341.68, 4340.46), Ca K of template 3 at 3934.4 (3934.78, 3933.66), [O III] of template
    1 at 5008.16 (5008.24, 5006.84). Nothing is converted.
    """
    wave, flux = _load_templates()
    wavelength = np.asarray(wave, np.float64)
    within = (wavelength >= 1500.0) & (wavelength <= 12_000.0)
    return wavelength[within], np.asarray(flux, np.float64)[:, within]


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
    result: Array = np.einsum("nbt,nt->nb", template_matrix(grid, z), coefficients)
    return result


def template_matrix(grid: TemplateGrid, z: Array) -> Array:
    """Fluxes (N, 5 bands, 5 templates) of each template at redshift `z`, unit coefficients."""
    step = grid.redshift[1] - grid.redshift[0]
    position = np.asarray(z, np.float64) / step
    low = np.clip(position.astype(np.int64), 0, len(grid.redshift) - 2)
    weight = (position - low)[:, None, None]
    result: Array = (1 - weight) * grid.flux[low] + weight * grid.flux[low + 1]
    return result


class TemplateSpectra:
    """The templates on the pixels of a grid, ready to be shifted: made once, used on blocks.

    Parameters
    ----------
    grid : observed wavelengths.
    z_max : highest redshift asked for.
    rest : other rest-frame spectra, wavelengths (M,) and flux (T, M).
    """

    def __init__(
        self, grid: "WavelengthGrid", *, z_max: float, rest: tuple[Array, Array] | None = None
    ) -> None:
        wavelength, flux = template_spectra() if rest is None else rest
        self._grid = grid
        self._shifts = int(np.ceil(np.log1p(z_max) / grid.step)) + 1
        pixels = np.arange(-self._shifts, grid.n + 1)
        ln_rest = np.log(grid.low) + grid.step * pixels
        self._templates = np.stack([np.interp(ln_rest, np.log(wavelength), one) for one in flux])

    def observed(self, coefficients: Array, z: Array) -> NDArray[np.float32]:
        """Flux density (n, L) in erg / (s cm2 Angstrom) of galaxies at redshifts z (n,).

        Parameters
        ----------
        coefficients : (n, 5), as `fit_templates` gives them.
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
