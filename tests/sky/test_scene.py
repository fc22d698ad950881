"""What the drawn sky looks like as a population."""

import numpy as np
import pytest

from pix2z.imaging import EXTINCTION_PER_EBV
from pix2z.sky.draws import stamp_generators, stamp_uniforms
from pix2z.sky.plan import flux_at
from pix2z.sky.rendering import PIXEL_SCALE, render
from pix2z.sky.scene import draw_scene
from pix2z.sky.templates import TEMPLATE_SCATTER


def test_flux_is_the_fitted_one_with_its_scatter_dimmed_by_dust_alone(scene, parents, plan):
    dust = 10 ** (0.4 * scene.ebv[:, None] * np.array(EXTINCTION_PER_EBV))
    intrinsic = scene.galaxy.flux * dust / scene.calibration / scene.template_scatter
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


def test_scatter_about_templates_is_of_the_galaxy_and_kept_by_its_moved_stamps(scene, plan):
    logs = np.log(scene.template_scatter)
    own = plan.copy == 0
    np.testing.assert_allclose(logs[own].std(axis=0), TEMPLATE_SCATTER, rtol=0.05)
    place = np.searchsorted(plan.row[own], plan.row[~own])
    np.testing.assert_array_equal(logs[~own], logs[own][place])
    correlation = np.corrcoef(logs[own].T)[np.triu_indices(5, 1)]
    assert np.abs(correlation).max() < 0.06


def test_calibration_is_that_of_a_field(scene, parents, plan, conditions):
    """Unmoved galaxies of one field share it; moved ones lie elsewhere; its rms is the published.

    Neighbours share it too: a star's colours are those of the locus, seen through it.
    """
    own = np.flatnonzero(plan.copy == 0)
    _, first, place = np.unique(
        parents.field[plan.row[own]], return_index=True, return_inverse=True
    )
    assert 0.9 * len(own) < len(first) < len(own)
    np.testing.assert_array_equal(scene.calibration[own], scene.calibration[own[first[place]]])
    logs = np.log(scene.calibration)
    np.testing.assert_allclose(logs.std(axis=0), conditions.calibration_error, rtol=0.05)
    assert len(np.unique(scene.calibration[plan.copy > 0, 0])) == (plan.copy > 0).sum()


def test_neighbours_see_the_sky_of_their_stamp(scene):
    stars = scene.neighbour.disc_half_light_radius == 0
    stamp = scene.neighbour_stamp[stars]
    dust = 10 ** (-0.4 * scene.ebv[:, None] * np.array(EXTINCTION_PER_EBV))
    seen = scene.neighbour.flux[stars] / (scene.calibration * dust)[stamp]
    g_r = -2.5 * np.log10(seen[:, 1] / seen[:, 2])
    assert g_r.min() > 0.32 - 1e-6  # ends of the locus
    assert g_r.max() < 1.42 + 1e-6
    r = 22.5 - 2.5 * np.log10(seen[:, 2])
    assert 14 <= r.min() < r.max() <= 22.5
    np.testing.assert_array_equal(scene.neighbour.psf_fwhm[stars], scene.galaxy.psf_fwhm[stamp])


def test_faint_neighbours_are_small(scene):
    """r = 21 to 22 galaxies have half-light radii of 0.5 to 1.3 arcsec (Shen et al. at z > 0.3)."""
    dimmed = scene.neighbour.flux[:, 2]
    magnitude = 22.5 - 2.5 * np.log10(dimmed)
    faint = (scene.neighbour.disc_half_light_radius > 0) & (magnitude > 21) & (magnitude < 22)
    assert faint.sum() > 100
    radius = scene.neighbour.disc_half_light_radius[faint]
    assert 0.5 < np.median(radius) < 1.3


def test_sizes_know_the_redshift_unless_told_not_to(scene, parents, plan, conditions):
    fixed = draw_scene(
        parents,
        plan,
        stamp_uniforms(stamp_generators(1, parents.index[plan.row], plan.copy)),
        seed=1,
        max_shift=0.03,
        conditions=conditions,
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
