from dataclasses import replace

import numpy as np
import pytest

from pix2z.sky.fisher import fisher_cholesky, marginal_sigma
from pix2z.sky.observing import pixel_variance
from pix2z.sky.rendering import render, render_shapes


def factors(galaxy, variance):
    return fisher_cholesky(
        render_shapes(galaxy),
        flux=galaxy.flux,
        bulge_fraction=galaxy.bulge_fraction,
        disc_half_light_radius=galaxy.disc_half_light_radius,
        variance=variance,
    )


def sigmas(galaxy, variance):
    """Errors of fluxes (M, 5), and of ln radius, axis ratio and bulge fraction (M, 3)."""
    sigma = marginal_sigma(factors(galaxy, variance))
    sigma[:, 5] /= galaxy.disc_half_light_radius
    return sigma[:, :5], sigma[:, 5:]


@pytest.fixture
def galaxy(scene, steady_rows):
    return scene.galaxy.take(steady_rows)


@pytest.fixture
def variance(scene, galaxy, steady_rows):
    return pixel_variance(render(galaxy), scene.sky_sigma[steady_rows])


def gradients(galaxy):
    """(M, 8, 5, 32, 32) by finite differences of rendered stamps, no derivative shared."""

    def difference(name, low, high, width):
        stamps = [render(replace(galaxy, **{name: value})) for value in (low, high)]
        return (stamps[1].astype(np.float64) - stamps[0]) / width

    images = render(galaxy).astype(np.float64)
    fluxes = []
    for band in range(5):
        only = np.zeros_like(images)
        only[:, band] = images[:, band] / galaxy.flux[:, band, None, None]
        fluxes.append(only)
    radius, ratio, bulge = (
        galaxy.disc_half_light_radius,
        galaxy.disc_axis_ratio,
        galaxy.bulge_fraction,
    )
    shapes = [
        difference("disc_half_light_radius", radius * np.exp(-0.02), radius * np.exp(0.02), 0.04),
        difference("disc_axis_ratio", ratio - 0.005, ratio + 0.005, 0.01),
        difference("bulge_fraction", bulge - 0.02, bulge + 0.02, 0.04),
    ]
    return np.stack(fluxes + shapes, axis=1)


def test_matches_the_covariance_of_a_fit(galaxy, variance):
    """(J^T C^-1 J + prior)^-1 with J from finite differences and a plain inverse."""
    factor = factors(galaxy, variance)
    jacobian = gradients(galaxy).reshape(len(galaxy), 8, -1)
    for row in range(len(galaxy)):
        weighted = jacobian[row] / np.sqrt(variance[row].reshape(-1))
        information = weighted @ weighted.T + np.diag([0, 0, 0, 0, 0, 1, 1, 1])
        unit = np.ones(8)
        unit[5] = galaxy.disc_half_light_radius[row]
        expected = np.linalg.inv(information) * np.outer(unit, unit)
        sigma = np.sqrt(np.diagonal(expected))
        np.testing.assert_allclose(marginal_sigma(factor[row : row + 1])[0], sigma, rtol=0.03)
        covariance = factor[row] @ factor[row].T
        np.testing.assert_allclose(
            covariance / np.outer(sigma, sigma), expected / np.outer(sigma, sigma), atol=0.06
        )


def test_masked_pixels_carry_no_information(galaxy, variance):
    whole = sigmas(galaxy, variance)
    variance[:, :, :16] = np.nan
    half = sigmas(galaxy, variance)
    assert (half[0] > whole[0]).all()


def test_shape_errors_never_exceed_the_prior(galaxy, variance):
    pure_bulge = replace(galaxy, bulge_fraction=np.full((40, 5), 0.9999))
    assert (sigmas(pure_bulge, 1e4 * variance)[1] <= 1 + 1e-6).all()
