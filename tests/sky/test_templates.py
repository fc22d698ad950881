import numpy as np

from pix2z.sky.parents import Parents
from pix2z.sky.templates import TemplateGrid, fit_templates, template_flux


def test_fluxes_are_kcorrects_own(grid: TemplateGrid, parents: Parents) -> None:
    rows = slice(0, 200)
    z, coefficients = parents.z[rows], parents.coefficients[rows]
    ab = grid.projector.reconstruct(redshift=z, coeffs=coefficients)  # AB maggies
    offset = np.array([-0.036, 0.012, 0.010, 0.028, 0.040])
    expected = 1e9 * ab * 10 ** (0.4 * offset)
    np.testing.assert_allclose(
        template_flux(grid, z=z, coefficients=coefficients), expected, rtol=1e-4
    )


def test_fit_recovers_a_template_sum(grid: TemplateGrid) -> None:
    rng = np.random.default_rng(0)
    z = rng.uniform(0.01, 0.39, 50)
    coefficients = rng.uniform(0, 1, (50, 5)) * [1e-6, 1e-8, 1e-6, 1e-5, 1e-6]
    flux = template_flux(grid, z=z, coefficients=coefficients)
    fitted = fit_templates(grid, z=z, flux=flux, inverse_variance=1 / (0.01 * flux) ** 2)
    np.testing.assert_allclose(template_flux(grid, z=z, coefficients=fitted), flux, rtol=2e-3)
    assert (fitted >= 0).all()
