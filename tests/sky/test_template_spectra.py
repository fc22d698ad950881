"""Template sums shifted on a grid, against interpolation of each at its own redshift."""

import numpy as np
import pytest

from pix2z.sky.template_spectra import TemplateSpectra
from pix2z.sky.templates import template_spectra
from pix2z.wavelengths import WavelengthGrid

GRID = WavelengthGrid(3800.0, 9200.0, 3000)


@pytest.fixture(scope="module")
def spectra():
    return TemplateSpectra(GRID, z_max=0.4)


def directly(coefficients, z):
    """f_obs(lambda) = f_rest(lambda / (1 + z)) / (1 + z), per Angstrom."""
    wavelength, flux = template_spectra()
    return np.interp(GRID.values / (1 + z), wavelength, coefficients @ flux) / (1 + z)


@pytest.mark.parametrize("z", [0.0, 0.0123, 0.1, 0.2718, 0.4])
def test_a_shift_is_that_of_the_templates_at_the_redshift(spectra, z):
    coefficients = np.array([1e-6, 1e-8, 2e-6, 1e-5, 1e-6])
    (found,) = spectra.observed(coefficients[None], np.array([z]))
    expected = directly(coefficients, z)
    assert np.median(np.abs(found / expected - 1)) < 1e-3
    assert np.quantile(np.abs(found / expected - 1), 0.99) < 0.03  # lines, of a few pixels


def test_each_row_has_its_own_weights_and_redshift(spectra):
    coefficients, z = np.eye(5) * 1e-6, np.linspace(0.0, 0.4, 5)
    found = spectra.observed(coefficients, z)
    for row in range(5):
        one = spectra.observed(coefficients[row : row + 1], z[row : row + 1])
        np.testing.assert_array_equal(found[row : row + 1], one)
    assert found.shape == (5, 3000)
    assert found.dtype == np.float32


def test_energy_is_conserved_by_a_shift(spectra):
    """The integral over a wide line's neighbourhood, moved with it, stays."""
    coefficients = np.array([[0.0, 0.0, 1e-6, 0.0, 0.0]])
    total = []
    for z in (0.05, 0.2):
        (flux,) = spectra.observed(coefficients, np.array([z]))
        inside = (GRID.values > 4500 * (1 + z)) & (GRID.values < 7000 * (1 + z))
        total.append(np.trapezoid(flux[inside], GRID.values[inside]))
    assert total[1] == pytest.approx(total[0], rel=2e-3)
