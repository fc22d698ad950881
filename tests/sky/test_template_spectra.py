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


def directly(coefficients, z, *, grid=GRID):
    """f_obs(lambda) = f_rest(lambda / (1 + z)) / (1 + z), per Angstrom."""
    wavelength, flux = template_spectra()
    return np.interp(grid.values / (1 + z), wavelength, coefficients @ flux) / (1 + z)


@pytest.mark.parametrize("z", [0.0, 0.0123, 0.4])
def test_a_shift_is_that_of_the_templates_at_the_redshift(spectra, z):
    coefficients = np.array([1e-6, 1e-8, 2e-6, 1e-5, 1e-6])
    (found,) = spectra.observed(coefficients[None], np.array([z]))
    expected = directly(coefficients, z)
    assert np.median(np.abs(found / expected - 1)) < 1e-3
    assert np.quantile(np.abs(found / expected - 1), 0.99) < 0.03  # lines, of a few pixels
