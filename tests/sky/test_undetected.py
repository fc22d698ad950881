"""Galaxies below detection: their number, their light, and their shape by GalSim."""

import galsim
import numpy as np
import pytest

from pix2z.imaging import PIXEL_SCALE, STAMP_SIDE
from pix2z.sky.neighbours import GALAXIES, HALF_WIDTH, number
from pix2z.sky.profiles import psf_components
from pix2z.sky.undetected import (
    GAUSSIAN_SIGMA,
    HALF_LIGHT_RADIUS,
    Undetected,
    render_undetected,
    undetected_per_stamp,
)

SQUARE = (2 * HALF_WIDTH / 3600) ** 2


def test_counts_go_on_where_those_of_neighbours_end():
    """Without a step there, and within a third of Smail et al. (1995): 700,000 to R = 27."""
    step = 0.01
    up_to = [number(GALAXIES, limit)[1][-1] for limit in (22.5 - step, 22.5)]
    before = (up_to[1] - up_to[0]) * SQUARE
    assert undetected_per_stamp(22.5, 22.5 + step) == pytest.approx(before, rel=0.01)
    all_of_them = up_to[1] + undetected_per_stamp(22.5, 27.2) / SQUARE
    assert 0.65 < all_of_them / 700_000 < 1


def test_stamps_hold_a_poisson_number_of_them_of_the_counts_magnitudes(scene, plan):
    drawn = scene.undetected
    per_stamp = np.bincount(drawn.stamp, minlength=len(plan))
    assert per_stamp.mean() == pytest.approx(undetected_per_stamp(22.5, 25.5), rel=0.03)
    assert per_stamp.var() / per_stamp.mean() == pytest.approx(1, abs=0.06)
    dust = 10 ** (-0.4 * 2.751 * scene.ebv) * scene.calibration[:, 2]
    r = 22.5 - 2.5 * np.log10(drawn.flux[:, 2] / dust[drawn.stamp])
    assert 22.5 <= r.min() < r.max() <= 25.5
    bright = undetected_per_stamp(22.5, 24.0) / undetected_per_stamp(22.5, 25.5)
    assert (r < 24).mean() == pytest.approx(bright, rel=0.05)
    assert np.abs(drawn.x).max() < HALF_WIDTH


def test_one_is_a_small_galaxy_behind_the_psf_by_galsim():
    share, width = psf_components(np.full((1, 5), 0.3))
    own = HALF_LIGHT_RADIUS * GAUSSIAN_SIGMA
    sigma = np.hypot(1.3 * width, np.hypot(own, PIXEL_SCALE / np.sqrt(12)))
    one = Undetected(
        stamp=np.zeros(1, np.int64),
        flux=np.full((1, 5), 0.3),
        x=np.array([1.1]),
        y=np.array([-2.3]),
        sigma=sigma,
        share=share,
    )
    psf = galsim.Sum(
        [
            galsim.Gaussian(flux=f, sigma=1.3 * s)
            for f, s in zip(share[0, 0], width[0, 0], strict=True)
        ]
    )
    galaxy = galsim.Exponential(half_light_radius=HALF_LIGHT_RADIUS, flux=0.3).shift(1.1, -2.3)
    reference = galsim.Convolve(galaxy, psf).drawImage(
        nx=STAMP_SIDE, ny=STAMP_SIDE, scale=PIXEL_SCALE, dtype=np.float64
    )
    stamp = render_undetected(one)[0, 2]
    assert stamp.sum() == pytest.approx(0.3, rel=0.01)
    assert np.abs(stamp - reference.array).max() < 0.02 * reference.array.max()


def test_sky_offsets_have_the_mean_and_scatter_asked_for(scene, conditions):
    offset = scene.sky_offset / scene.sky_sigma
    np.testing.assert_allclose(offset.mean(axis=0), conditions.sky_offset_mean, atol=0.002)
    np.testing.assert_allclose(offset.std(axis=0), conditions.sky_offset_scatter, rtol=0.04)
    assert np.abs(np.corrcoef(offset.T)[np.triu_indices(5, 1)]).max() < 0.06


def test_seeing_wings_and_noise_scatter_as_asked(scene, conditions):
    for values, scatter in (
        (scene.galaxy.psf_fwhm, conditions.seeing_scatter),
        (scene.galaxy.psf_wings, conditions.wing_scatter),
        (scene.sky_sigma, conditions.sky_noise_scatter),
    ):
        np.testing.assert_allclose(np.log(values).std(axis=0), scatter, rtol=0.04)
