"""Planted stars, galaxies and a saturated star are found, measured and told apart."""

from dataclasses import replace

import numpy as np
import pytest

from pix2z.archive.frames import Frame
from pix2z.errors import InputError
from pix2z.field import detection
from pix2z.field.sources import SourceFlag, find_sources, sources_at
from tests.field.planted import SATURATED, SHAPE, pixels_of, plant, wcs_of


def matched(sources, planted):
    """Return the row of each planted source, and how far away it is in pixels."""
    far = np.hypot(sources.x - planted.x[:, None], sources.y - planted.y[:, None])
    return far.argmin(axis=1), far.min(axis=1)


def with_r(frames, pixels):
    return {**frames, "r": replace(frames["r"], pixels=np.asarray(pixels, np.float32))}


def test_every_source_is_found_where_it_is_and_nothing_else(sources, planted):
    rows, far = matched(sources, planted)
    assert far.max() < 0.25
    assert len(sources) == len(planted.x) + 1  # the saturated star
    assert (np.diff(sources.flux) < 0).all()
    np.testing.assert_array_equal(sources.object_id, np.arange(1, len(sources) + 1))
    place = wcs_of("r").all_pix2world(planted.x, planted.y, 0)
    np.testing.assert_allclose((sources.ra[rows], sources.dec[rows]), place, atol=0.1 / 3600)


def test_stars_are_told_from_galaxies_though_the_seeing_grows_over_the_frame(sources, planted):
    rows, _ = matched(sources, planted)
    np.testing.assert_array_equal(sources.is_galaxy[rows], ~planted.is_star)
    assert np.abs(sources.excess[rows][planted.is_star]).max() < 0.05
    assert sources.excess[rows][~planted.is_star].min() > 0.5


def test_fluxes_are_those_planted(sources, planted):
    rows, _ = matched(sources, planted)
    change = 2.5 * np.log10(sources.flux[rows] / planted.flux)
    bright = planted.flux > 40
    assert np.abs(change[bright & planted.is_star]).max() < 0.02
    assert np.abs(change[(planted.flux > 150) & ~planted.is_star]).max() < 0.06
    circle = sources.circle[rows] / planted.flux[:, None]
    expected = np.array([0.2, 0.5, 1.0, 1.4, 1.8])
    some = bright & planted.is_star
    np.testing.assert_allclose(np.median(circle[some], axis=0), expected, rtol=0.02)


def test_a_saturated_star_is_a_star_and_what_lies_in_its_light_is_flagged(frames, sources):
    (star,) = np.flatnonzero(sources.flags & SourceFlag.SATURATED)
    assert np.hypot(sources.x[star] - SATURATED[0], sources.y[star] - SATURATED[1]) < 1.5
    assert not sources.is_galaxy[star]
    assert sources.excess[star] > 0.5  # it would be a galaxy by its spread
    assert not sources.flags[star] & SourceFlag.NEAR_SATURATED
    x, y = SATURATED[0] + np.array([0, 20, 40, 150]), np.full(4, SATURATED[1] + 10)
    ra, dec = frames["r"].wcs.all_pix2world(x, y, 0)
    flags = sources_at(frames, ra, dec, np.arange(4)).flags
    lost = SourceFlag.SATURATED | SourceFlag.NEAR_SATURATED
    assert (flags & lost != 0).tolist() == [True, True, True, False]
    assert flags[2] & lost == SourceFlag.NEAR_SATURATED


def test_too_little_room_for_pixels_or_peaks_ends_nothing(frames, sources, monkeypatch):
    rooms = []
    real = detection.sep.extract

    def extract(*arguments, **options):
        sep = detection.sep
        rooms.append((sep.get_extract_pixstack(), sep.get_sub_object_limit()))
        return real(*arguments, **options)

    monkeypatch.setattr(detection.sep, "extract", extract)
    monkeypatch.setattr(detection, "PIXELS", 200)
    monkeypatch.setattr(detection, "CHILDREN", 1)
    again = find_sources(frames)
    np.testing.assert_array_equal(again.flux, sources.flux)
    assert rooms[0] == (200, 1)
    assert rooms[-1][0] > 200
    assert rooms[-1][1] > 1


def test_a_source_of_more_peaks_than_there_is_room_for_is_left_undivided(frames, monkeypatch):
    monkeypatch.setattr(detection, "CHILDREN", 1)
    monkeypatch.setattr(detection, "MOST_CHILDREN", 1)
    assert len(find_sources(frames)) > 50


def test_masked_pixels_cost_their_source_alone(frames, sources, planted):
    pixels = frames["r"].pixels.copy()
    rows, _ = matched(sources, planted)
    x, y = round(planted.x[0]), round(planted.y[0])
    pixels[y - 6 : y + 7, x - 6 : x + 7] = np.nan
    masked = find_sources(with_r(frames, pixels))
    again, far = matched(masked, planted)
    assert far[0] > 6
    assert far[1:].max() < 0.25
    np.testing.assert_allclose(masked.flux[again[1:]], sources.flux[rows[1:]], rtol=0.1)


def found(planted, **options):
    """Sources of a planted field that is in no file."""
    return find_sources(
        {b: Frame(None, pixels_of(planted, b, **options), wcs_of(b), band=b) for b in "ugriz"}
    )


@pytest.mark.parametrize(("n_stars", "n_galaxies"), [(0, 4), (0, 24), (3, 1)])
def test_without_stars_nothing_is_called_one(n_stars, n_galaxies):
    sources = found(plant(n_stars=n_stars, n_galaxies=n_galaxies), saturated=False)
    assert len(sources) == n_stars + n_galaxies
    assert (sources.flags & SourceFlag.NO_STARS != 0).all()
    assert sources.is_galaxy.all()


def test_few_stars_among_many_galaxies_are_still_the_locus():
    mixed = plant(n_stars=14, n_galaxies=30, seed=8)
    sources = found(mixed)
    rows, _ = matched(sources, mixed)
    np.testing.assert_array_equal(sources.is_galaxy[rows], ~mixed.is_star)


def test_a_neighbours_light_is_not_a_galaxys_and_does_not_move_its_core(planted):
    """A galaxy and a star 4 arcsec from it, and one so near that they are one source."""
    x, y = planted.x.copy(), planted.y.copy()
    galaxy, star, near = 55, 0, 1
    for one, away in ((star, (10, 0)), (near, (6, 0))):
        of = galaxy if one == star else 56
        x[one], y[one] = x[of] + away[0], y[of] + away[1]
    flux = planted.flux.copy()
    flux[[galaxy, star, near]] = 300, 150, flux[56] / 20
    crowded = replace(planted, x=x, y=y, flux=flux)
    sources = found(crowded)
    rows, far = matched(sources, crowded)
    assert far[[galaxy, star]].max() < 0.25
    assert far[56] < 0.15
    change = np.abs(2.5 * np.log10(sources.flux[rows] / flux))
    assert change[galaxy] < 0.1
    assert (sources.flags[rows[[galaxy, star]]] & SourceFlag.BLENDED != 0).all()


def test_a_level_of_the_sky_is_no_light(frames, sources):
    raised = find_sources(with_r(frames, frames["r"].pixels + 0.05))
    np.testing.assert_allclose(raised.flux, sources.flux, rtol=0.02)
    np.testing.assert_allclose(raised.circle[:, 2], sources.circle[:, 2], rtol=0.02, atol=0.3)


def test_what_is_too_faint_to_be_judged_is_no_source(planted, sources):
    flux = planted.flux.copy()
    flux[0], flux[1] = 10 ** (0.4 * (22.5 - np.array([22.1, 21.0])))
    _, far = matched(found(replace(planted, flux=flux)), planted)
    assert far[0] > 5
    assert far[1:].max() < 0.5


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (1, "no source above 1.5 sigma of the sky"),
        (0, "expected a sky with noise; every pixel is alike or masked"),
        (np.nan, "expected a sky with noise; every pixel is alike or masked"),
    ],
    ids=["noise", "zeros", "masked"],
)
def test_an_empty_field_is_one_line(frames, times, words):
    noise = np.random.default_rng(1).normal(0, 0.027, SHAPE)
    with pytest.raises(InputError) as caught:
        find_sources(with_r(frames, times * noise))
    assert str(caught.value) == f"{frames['r'].path}: {words}"


@pytest.mark.parametrize(("band", "times"), [("r", 200), ("r", 0.01), ("z", 30)])
def test_a_frame_in_another_unit_is_one_line(frames, band, times):
    changed = replace(frames[band], pixels=times * frames[band].pixels)
    with pytest.raises(
        InputError, match=rf"{band}\.fits.*expected 0\.002 to 1 nanomaggies"
    ) as caught:
        find_sources({**frames, band: changed})
    assert "\n" not in str(caught.value)


def test_positions_of_a_list_keep_their_place_order_and_ids(frames, sources):
    rows = [5, 2, 9]
    ra, dec = np.append(sources.ra[rows], 10.0), np.append(sources.dec[rows], 20.0)
    at = sources_at(frames, ra, dec, np.array([70, 50, 90, 1]))
    np.testing.assert_array_equal(at.object_id, [70, 50, 90])  # the fourth is off the frame
    np.testing.assert_array_equal(at.ra, ra[:3])
    np.testing.assert_allclose(at.flux, sources.flux[rows], rtol=1e-3)
    np.testing.assert_array_equal(at.is_galaxy, sources.is_galaxy[rows])


def test_galaxies_fainter_than_the_limit_are_flagged_dereddened(sources):
    faint = SourceFlag.TOO_FAINT
    flagged = sources.judged(17.0, None).flags & faint != 0
    np.testing.assert_array_equal(flagged, sources.is_galaxy & ~(sources.magnitude < 17))
    behind_dust = sources.judged(17.0, 0.3 / 2.751).flags & faint != 0
    np.testing.assert_array_equal(behind_dust, sources.is_galaxy & ~(sources.magnitude < 17.3))
    assert behind_dust.sum() < flagged.sum()
