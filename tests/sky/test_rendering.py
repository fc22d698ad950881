"""The Fourier renderer against GalSim: the same profiles on both sides, noise-free."""

from dataclasses import replace

import numpy as np
import pytest

from pix2z.sky.rendering import (
    GRID_SIDES,
    SHAPES,
    Sources,
    grid_side,
    render,
    render_shapes,
)
from tests.sky.galsim_reference import PRECISE, galsim_stamp


def circle(radius, *, bulge_fraction):
    """One round galaxy of unit flux."""
    one = np.ones(1)
    return Sources(
        flux=np.ones((1, 5)),
        bulge_fraction=np.full((1, 5), bulge_fraction),
        disc_half_light_radius=radius * one,
        bulge_half_light_radius=radius * one,
        disc_axis_ratio=one,
        bulge_axis_ratio=one,
        position_angle=0 * one,
        offset_x=0 * one,
        offset_y=0 * one,
        psf_fwhm=np.full((1, 5), 1.3),
        psf_wings=np.full((1, 5), 0.3),
    )


@pytest.fixture(scope="module")
def sample(scene, sample_rows):
    """Galaxies, of which every eighth sits at the stamp's edge, which cuts it."""
    galaxy = scene.galaxy.take(sample_rows)
    at_edge = np.arange(len(galaxy)) % 8 == 0
    return replace(
        galaxy,
        offset_x=np.where(at_edge, 5.9, galaxy.offset_x),
        offset_y=np.where(at_edge, -3.1, galaxy.offset_y),
    )


@pytest.fixture(scope="module")
def both(sample):
    """The galaxies by the renderer and by GalSim, each in one band, bands in turn."""
    bands = np.arange(len(sample)) % 5
    ours = render(sample)[np.arange(len(sample)), bands].astype(np.float64)
    reference = [
        galsim_stamp(sample, row, band, accuracy=PRECISE) for row, band in enumerate(bands)
    ]
    return ours, np.stack(reference)


def test_pixels_and_flux_agree_with_galsim(sample, both):
    assert sample.disc_half_light_radius.max() > 15
    assert len(np.unique(grid_side(sample))) >= 4
    ours, reference = both
    residual = np.abs(ours - reference).max(axis=(1, 2)) / reference.max(axis=(1, 2))
    assert residual.max() < 0.005  # a quarter of a percent is usual for the largest
    ratio = ours.sum(axis=(1, 2)) / reference.sum(axis=(1, 2))
    assert np.abs(ratio - 1).max() < 0.01


@pytest.mark.parametrize("side", GRID_SIDES[:-1])
def test_grid_is_left_before_light_wraps_around(side):
    for bulge_fraction in (0.0, 1.0):
        radii = np.linspace(1, 60, 1200)
        sides = np.array([grid_side(circle(r, bulge_fraction=bulge_fraction))[0] for r in radii])
        largest = circle(radii[sides == side].max(), bulge_fraction=bulge_fraction)
        reference = galsim_stamp(largest, 0, 2, accuracy=PRECISE)
        assert render(largest)[0, 2].sum() == pytest.approx(reference.sum(), rel=0.01)


def test_shapes_mix_into_the_stamp(scene):
    galaxy = scene.galaxy.take(np.arange(20))
    shapes = render_shapes(galaxy)
    disc, bulge = (shapes[:, :, SHAPES.index(name)] for name in ("disc", "bulge"))
    share = galaxy.bulge_fraction[..., None, None]
    mixed = galaxy.flux[..., None, None] * ((1 - share) * disc + share * bulge)
    np.testing.assert_allclose(mixed, render(galaxy), rtol=1e-3, atol=1e-5 * mixed.max())
