"""The filters on a grid against speclite's own magnitudes and kcorrect's own fluxes."""

import astropy.units as u
import numpy as np
import pytest
import speclite.filters

from pix2z.imaging import AB_MINUS_SDSS
from pix2z.sky.filters import band_weights, covered_bands, flux_density_per_nanomaggy
from pix2z.sky.templates import TemplateSpectra, template_flux
from pix2z.wavelengths import WavelengthGrid

GRID = WavelengthGrid(3800.0, 9200.0, 4000)
OFFSET = dict(zip("ugriz", AB_MINUS_SDSS, strict=True))


def sdss_magnitudes(flux, band, wavelength=GRID.values):
    """SDSS magnitudes of spectra (n, L) in 1e-17 erg / (s cm2 Angstrom), by our weights."""
    nanomaggies = flux @ band_weights(wavelength, band) / flux_density_per_nanomaggy(band)
    return 22.5 - 2.5 * np.log10(nanomaggies)


@pytest.mark.parametrize("band", "ugriz")
@pytest.mark.parametrize("slope", [-3.0, 0.0, 3.0])
def test_magnitudes_are_specliteS_own(band, slope):
    grid = WavelengthGrid(2900.0, 11_500.0, 6000)
    flux = (grid.values / 6000.0) ** slope
    ab = speclite.filters.load_filter(f"sdss2010-{band}").get_ab_magnitude(
        flux * 1e-17 * u.erg / (u.s * u.cm**2 * u.AA), grid.values * u.AA
    )
    found = sdss_magnitudes(flux[None], band, grid.values)[0]
    assert found + OFFSET[band] == pytest.approx(ab, abs=0.002)


def test_only_bands_that_are_inside_are_covered():
    assert covered_bands(GRID.values) == "gri"
    assert covered_bands(np.geomspace(2900.0, 11_500.0, 100)) == "ugriz"
    assert covered_bands(np.geomspace(5500.0, 7100.0, 100)) == "r"
    assert covered_bands(np.geomspace(5600.0, 6000.0, 100)) == ""


def test_magnitudes_of_template_spectra_are_kcorrects(grid, parents):
    """Real galaxies at their redshifts; kcorrect has responses of its own, of 2001."""
    rows = slice(0, 300)
    z, coefficients = parents.z[rows], parents.coefficients[rows]
    flux = 1e17 * TemplateSpectra(GRID, z_max=0.45).observed(coefficients, z)
    expected = 22.5 - 2.5 * np.log10(template_flux(grid, z=z, coefficients=coefficients))
    for number, band in enumerate("gri", start=1):
        difference = sdss_magnitudes(flux, band) - expected[:, number]
        assert np.abs(np.median(difference)) < 0.01
        assert np.quantile(np.abs(difference), 0.95) < 0.02
