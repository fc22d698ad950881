"""Rendered galaxies come back out of frames as they were put in."""

from dataclasses import replace

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.field.frames import cut_all
from pix2z.injection.frames import (
    MARGIN,
    SIDE,
    STAMP_REACH,
    Places,
    draw_places,
    inject,
    light_around,
)
from pix2z.sky.observing import ELECTRONS_PER_NANOMAGGY
from pix2z.sky.rendering import render
from tests.field.planted import BANDS, SHAPE
from tests.injection.conftest import sources_of


def places_at(frames, x, y):
    x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
    return Places(x, y, *frames["r"].wcs.all_pix2world(x, y, 0))


@pytest.fixture
def places(blank):
    return places_at(blank, [150.3, 380.8], [110.9, 260.2])


@pytest.mark.parametrize("pixels", [SIDE, STAMP_REACH])
def test_on_a_blank_sky_the_stamp_is_the_renderers(blank, places, pixels):
    sources = sources_of(2)
    changed = inject(blank, sources, places, None, pixels=pixels)
    stamps = cut_all(changed, places.ra, places.dec)
    expected = render(sources).transpose(0, 2, 3, 1)
    peak = expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(stamps / peak, expected / peak, atol=2e-3)


def test_flux_and_place_come_back_in_every_band_of_a_noisy_sky(noisy, places):
    sources = sources_of(2, mag_r=15.0)
    changed = inject(noisy, sources, places, None)
    row, column = np.indices(SHAPE)
    for index, band in enumerate(BANDS):
        added = changed[band].pixels.astype(float) - noisy[band].pixels
        for number in range(2):
            near = np.hypot(column - places.x[number], row - places.y[number]) < 60
            light = np.where(near, added, 0)
            assert light.sum() == pytest.approx(sources.flux[number, index], rel=0.01)
            x, y = noisy[band].wcs.all_world2pix(places.ra[number], places.dec[number], 0)
            assert (light * column).sum() / light.sum() == pytest.approx(x + 0.1 / 0.396, abs=0.02)
            assert (light * row).sum() / light.sum() == pytest.approx(y - 0.08 / 0.396, abs=0.02)


def test_photons_of_the_galaxy_scatter_as_its_own_light_says(blank):
    x, y = np.meshgrid([80.0, 230.0, 380.0, 500.0], [80.0, 220.0, 330.0])
    places = places_at(blank, x.ravel(), y.ravel())
    sources = sources_of(12, mag_r=16.0)
    rng = np.random.default_rng(3)
    noisy = inject(blank, sources, places, rng)
    smooth = inject(blank, sources, places, None)
    for index, band in enumerate(BANDS):
        light = smooth[band].pixels.astype(float)
        bright = light > 0.05 * light.max()
        noise = noisy[band].pixels.astype(float) - light
        ratio = noise[bright] ** 2 / (light[bright] / ELECTRONS_PER_NANOMAGGY[index])
        assert ratio.mean() == pytest.approx(1, abs=0.15)


def test_the_same_seed_makes_the_same_frames_and_the_users_stay_as_they_are(noisy, places):
    before = {band: frame.pixels.copy() for band, frame in noisy.items()}
    one, same, other = (
        inject(noisy, sources_of(2), places, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    for band in BANDS:
        np.testing.assert_array_equal(one[band].pixels, same[band].pixels)
        assert (one[band].pixels != other[band].pixels).any()
        np.testing.assert_array_equal(noisy[band].pixels, before[band])


def test_a_galaxy_beyond_the_edge_adds_what_falls_on_the_frame(blank):
    inside, beyond = places_at(blank, 20.0, 200.0), places_at(blank, -400.0, 200.0)
    added = inject(blank, sources_of(1), inside, None)["r"].pixels
    flux = sources_of(1).flux[0, 2]
    assert 0.9 * flux < added.sum() < flux
    assert inject(blank, sources_of(1), beyond, None)["r"].pixels.sum() == 0


def test_places_are_inside_apart_and_drawn_by_the_seed(blank):
    rounds = list(draw_places(blank, 30, np.random.default_rng(1)))
    assert sum(map(len, rounds)) == 30
    for one in rounds:
        assert (one.x >= MARGIN).all()
        assert (one.x <= SHAPE[1] - MARGIN).all()
        assert (one.y <= SHAPE[0] - MARGIN).all()
        apart = np.maximum(
            np.abs(one.x[:, None] - one.x), np.abs(one.y[:, None] - one.y)
        ) + 1e9 * np.eye(len(one))
        assert apart.min() >= SIDE
    again = list(draw_places(blank, 30, np.random.default_rng(1)))
    np.testing.assert_array_equal(rounds[0].x, again[0].x)
    assert np.isfinite(cut_all(blank, rounds[0].ra, rounds[0].dec)).all()


def test_a_frame_too_small_to_hold_a_galaxy_is_one_line(blank):
    small = {"r": replace(blank["r"], pixels=blank["r"].pixels[:70])}
    with pytest.raises(InputError, match=r"r\.fits: expected more than 72 pixels .* 560 x 70"):
        next(draw_places(small, 1, np.random.default_rng(1)))


def test_light_around_a_place_is_that_within_6_arcsec(blank):
    pixels = blank["r"].pixels.copy()
    pixels[200, 300] = 5.0
    pixels[200, 316] = 7.0  # 6.3 arcsec away
    frames = {"r": replace(blank["r"], pixels=pixels)}
    here = places_at(frames, [300.0, 310.0, 3.0], [200.0, 200.0, 3.0])
    np.testing.assert_allclose(light_around(frames, here), [5.0, 12.0, 0.0])
