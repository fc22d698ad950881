"""How far the catalogue's fluxes lie from the templates fitted to them, beyond their errors."""

import numpy as np

from pix2z.config.sky import SkyConfig
from pix2z.sky.parents import parents_path, read_catalogue
from pix2z.sky.templates import fit_templates, template_flux


def half_width(values):
    """Half of the central 68 % along the first axis: a sigma that outliers do not move."""
    low, high = np.percentile(values, [16, 84], axis=0)
    return (high - low) / 2


def without_trend(residual, parents):
    """Residuals (N, 5) less their median among galaxies of like redshift and colour.

    A trend is the templates' systematic error, the same for all galaxies: no scatter.
    """
    cell = np.zeros(len(residual), np.int64)
    for values, n in ((parents.z, 15), (parents.colour, 8)):
        edges = np.quantile(values, np.linspace(0, 1, n + 1)[1:-1])
        cell = n * cell + np.searchsorted(edges, values)
    result = residual.copy()
    for one in np.unique(cell):
        result[cell == one] -= np.median(residual[cell == one], axis=0)
    return result


def residuals(grid, parents, flux, inverse_variance):
    """Relative residuals (N, 5) of fluxes about their own fit."""
    z = parents.z
    fitted = fit_templates(grid, z=z, flux=flux, inverse_variance=inverse_variance)
    return flux / template_flux(grid, z=z, coefficients=fitted) - 1


def measured_scatter(grid, parents):
    """Relative scatter (5,) in ugriz.

    Residuals of a fit are smaller than its data's errors, as it follows them. So they are compared
    with those of galaxies that are template sums, observed with the same errors and a calibration
    error, and fitted alike: what is wider, in quadrature, is scatter. What the fit absorbs of it
    is part of the fitted fluxes already.
    """
    catalogue = read_catalogue(parents_path())
    rows = parents.index
    brightening = 10 ** (0.4 * catalogue["EXTINCTION"][rows])
    flux = catalogue["MODELFLUX"][rows] * brightening
    inverse_variance = catalogue["MODELFLUX_IVAR"][rows] / brightening**2
    rng = np.random.default_rng(1)
    calibration = 1 + np.array(SkyConfig.read().conditions.calibration_error) * rng.standard_normal(
        flux.shape
    )
    mock = parents.flux * calibration
    mock += rng.standard_normal(flux.shape) / np.sqrt(inverse_variance)
    real, planted = (
        half_width(without_trend(residuals(grid, parents, one, inverse_variance), parents))
        for one in (flux, mock)
    )
    return np.sqrt(np.maximum(real**2 - planted**2, 0))
