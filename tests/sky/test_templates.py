import numpy as np
import pytest
from scipy.optimize import curve_fit

from pix2z.sky.templates import (
    TEMPLATE_SCATTER,
    TemplateSpectra,
    fit_templates,
    template_flux,
    template_spectra,
)
from pix2z.wavelengths import WavelengthGrid
from tests.sky.template_residuals import measured_scatter

GRID = WavelengthGrid(3800.0, 9200.0, 3000)


def test_fluxes_are_kcorrects_own(grid, parents):
    rows = slice(0, 200)
    z, coefficients = parents.z[rows], parents.coefficients[rows]
    ab = grid.projector.reconstruct(redshift=z, coeffs=coefficients)  # AB maggies
    offset = np.array([-0.036, 0.012, 0.010, 0.028, 0.040])
    expected = 1e9 * ab * 10 ** (0.4 * offset)
    np.testing.assert_allclose(
        template_flux(grid, z=z, coefficients=coefficients), expected, rtol=1e-4
    )


def test_fit_recovers_a_template_sum(grid):
    rng = np.random.default_rng(0)
    z = rng.uniform(0.01, 0.39, 50)
    coefficients = rng.uniform(0, 1, (50, 5)) * [1e-6, 1e-8, 1e-6, 1e-5, 1e-6]
    flux = template_flux(grid, z=z, coefficients=coefficients)
    fitted = fit_templates(grid, z=z, flux=flux, inverse_variance=1 / (0.01 * flux) ** 2)
    np.testing.assert_allclose(template_flux(grid, z=z, coefficients=fitted), flux, rtol=2e-3)
    assert (fitted >= 0).all()


def test_scatter_about_the_templates_is_that_of_the_catalogue(grid, parents):
    """About 2 s: two fits of all parents. The random numbers move u by 2 % and r by a third."""
    measured = measured_scatter(grid, parents)
    np.testing.assert_allclose(measured, TEMPLATE_SCATTER, rtol=0.1, atol=6e-4)


def line_centre(wavelength, flux, *, near, half_width):
    """Centre of a Gaussian on a straight line, fitted to what is within `half_width` Angstrom."""
    within = np.abs(wavelength - near) < half_width
    x, y = wavelength[within], flux[within] / flux[within].mean()

    def profile(x, height, centre, sigma, level, slope):
        return height * np.exp(-0.5 * ((x - centre) / sigma) ** 2) + level + slope * (x - near)

    middle, edge = y[len(y) // 2], y[0]
    (_, centre, *_), _ = curve_fit(profile, x, y, [middle - edge, near, 5, edge, 0])
    return float(centre)


@pytest.mark.parametrize(
    ("template", "vacuum", "air", "half_width"),
    [
        (4, 4102.892, 4101.734, 30.0),  # H delta of young stars
        (1, 5008.240, 5006.843, 22.0),  # [O III] of gas
    ],
)
def test_template_wavelengths_are_in_vacuum(template, vacuum, air, half_width):
    wavelength, flux = template_spectra()
    centre = line_centre(wavelength, flux[template], near=(vacuum + air) / 2, half_width=half_width)
    assert abs(centre - vacuum) < 0.25 * (vacuum - air)


def directly(coefficients, z, *, grid=GRID):
    """f_obs(lambda) = f_rest(lambda / (1 + z)) / (1 + z), per Angstrom."""
    wavelength, flux = template_spectra()
    return np.interp(grid.values / (1 + z), wavelength, coefficients @ flux) / (1 + z)


@pytest.mark.parametrize("z", [0.0, 0.0123, 0.4])
def test_a_shift_is_that_of_the_templates_at_the_redshift(z):
    """Template sums shifted on a grid, against interpolation of each at its own redshift."""
    coefficients = np.array([1e-6, 1e-8, 2e-6, 1e-5, 1e-6])
    spectra = TemplateSpectra(GRID, z_max=0.4)
    (found,) = spectra.observed(coefficients[None], np.array([z]))
    expected = directly(coefficients, z)
    assert np.median(np.abs(found / expected - 1)) < 1e-3
    assert np.quantile(np.abs(found / expected - 1), 0.99) < 0.03  # lines, of a few pixels
