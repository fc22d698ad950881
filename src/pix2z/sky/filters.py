"""The SDSS filters on a grid of wavelengths, as weights: fluxes of spectra as sums over pixels.

Responses: speclite's sdss2010 (Doi et al. 2010, at an airmass of 1.2). A band of which a spectrum
covers too little has no flux: the grid of SDSS's spectrographs, 3800 to 9200 Angstrom, holds g, r
and i.
"""

import numpy as np
import speclite.filters
from numpy.typing import NDArray

from pix2z.imaging import AB_MINUS_SDSS, BANDS

__all__ = ["band_weights", "covered_bands", "flux_density_per_nanomaggy"]

Array = NDArray[np.float64]

LEAST_COVERED = 0.995
"""Share of a band's response that a spectrum must cover."""

LIGHT_ANGSTROM = 2.99792458e18
"""Speed of light, Angstrom per second."""

NANOMAGGY_FNU = 3.631e-29
"""erg / (s cm2 Hz): a nanomaggy, AB."""

FLUX_UNIT_CGS = 1e-17
"""erg / (s cm2 Angstrom): the unit of SDSS spectra."""


def band_weights(wavelength: Array, band: str) -> Array:
    """Weights (L,), summing to 1: the photon-weighted mean flux density through a band is w @ f.

    <f> = integral f S lambda dlambda / integral S lambda dlambda, with the response S, which
    detectors that count photons measure (Bessell & Murphy 2012, eq. A12).
    """
    weight = _response(band)(wavelength) * wavelength * np.gradient(wavelength)
    normalised: Array = weight / weight.sum()
    return normalised


def covered_bands(wavelength: Array) -> str:
    """Return the bands of ugriz that the wavelengths (L,) cover."""
    covered = ""
    for band in BANDS:
        response = _response(band)
        whole = np.trapezoid(response.response, response.wavelength)
        inside = (response.wavelength >= wavelength[0]) & (response.wavelength <= wavelength[-1])
        part = np.trapezoid(response.response[inside], response.wavelength[inside])
        covered += band if part >= LEAST_COVERED * whole else ""
    return covered


def flux_density_per_nanomaggy(band: str) -> float:
    """Mean flux density of `band_weights` of a source of one SDSS nanomaggy, 1e-17 cgs / Angstrom.

    f_lambda = f_nu c / lambda_p^2, with the pivot wavelength lambda_p of the band.
    """
    response = _response(band)
    weight = response.response * response.wavelength
    pivot_squared = np.trapezoid(weight, response.wavelength) / np.trapezoid(
        response.response / response.wavelength, response.wavelength
    )
    ab = 10 ** (-0.4 * AB_MINUS_SDSS[BANDS.index(band)])
    return float(ab * NANOMAGGY_FNU * LIGHT_ANGSTROM / pivot_squared / FLUX_UNIT_CGS)


def _response(band: str) -> speclite.filters.FilterResponse:
    return speclite.filters.load_filter(f"sdss2010-{band}")
