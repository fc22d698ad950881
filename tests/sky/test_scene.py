"""What the drawn sky looks like as a population."""

import numpy as np
import pytest

from pix2z.imaging import EXTINCTION_PER_EBV
from pix2z.sky.draws import stamp_generators, stamp_uniforms
from pix2z.sky.plan import flux_at
from pix2z.sky.rendering import PIXEL_SCALE, render
from pix2z.sky.scene import draw_scene


def test_flux_is_the_fitted_one_dimmed_by_dust_alone(scene, parents, plan):
    dust = 10 ** (0.4 * scene.ebv[:, None] * np.array(EXTINCTION_PER_EBV))
    intrinsic = scene.galaxy.flux * dust / scene.calibration
    expected = flux_at(parents, rows=plan.row, z=scene.z)
    np.testing.assert_allclose(intrinsic, expected, rtol=1e-10)


def test_apparent_sizes_are_those_of_the_main_galaxy_sample(scene):
    """Half-light radii of r = 16.5 to 17.5 galaxies on the stamp, seeing included.

    Petrosian half-light radii of such SDSS galaxies are 1.5 to 3.2 arcsec, median 2.1 or so.
    """
    magnitude = 22.5 - 2.5 * np.log10(scene.galaxy.flux[:, 2])
    rows = np.flatnonzero((magnitude > 16.5) & (magnitude < 17.5))[:400]
    stamps = render(scene.galaxy.take(rows))[:, 2].astype(np.float64)
    axis = (np.arange(32) - 15.5) * PIXEL_SCALE
    distance = np.hypot(axis[:, None], axis)
    radii = np.arange(0.4, 6.2, 0.2)
    growth = np.stack([stamps[:, distance < r].sum(axis=1) for r in radii], axis=1)
    half = [np.interp(0.5, curve / curve[-1], radii) for curve in growth]
    assert 1.8 < np.median(half) < 2.5
    assert np.percentile(half, 5) > 1.3
    assert np.percentile(half, 95) < 3.5


def test_neighbours_are_occasional_faint_and_apart(scene):
    share = len(scene.neighbour_stamp) / len(scene.z)
    assert share == pytest.approx(0.12, abs=0.015)
    host = scene.galaxy.flux[scene.neighbour_stamp, 2]
    fainter = 2.5 * np.log10(host / scene.neighbour.flux[:, 2])
    assert fainter.min() >= 0.5 - 1e-9
    assert fainter.max() <= 4 + 1e-9
    assert np.hypot(scene.neighbour.offset_x, scene.neighbour.offset_y).min() >= 2 - 1e-9
    stars = scene.neighbour.disc_half_light_radius == 0
    assert 0.4 < stars.mean() < 0.6


def test_sizes_know_the_redshift_unless_told_not_to(scene, parents, plan):
    fixed = draw_scene(
        parents,
        plan,
        stamp_uniforms(stamp_generators(1, parents.index[plan.row], plan.copy)),
        max_shift=0.03,
        size_depends_on_redshift=False,
    )

    def correlation(drawn):
        # Discs of blue galaxies: radius and redshift at a given type.
        blue = parents.colour[plan.row] < 2.0
        size = np.log(drawn.galaxy.disc_half_light_radius[blue])
        return float(np.corrcoef(size, np.log(drawn.z[blue]))[0, 1])

    assert correlation(scene) < -0.25
    assert abs(correlation(fixed)) < 0.06
    np.testing.assert_array_equal(fixed.galaxy.flux, scene.galaxy.flux)
    median = np.median(fixed.galaxy.disc_half_light_radius)
    assert median == pytest.approx(np.median(scene.galaxy.disc_half_light_radius), rel=0.1)
