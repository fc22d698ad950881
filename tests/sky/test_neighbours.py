"""Neighbours by number counts, held to numbers that others published."""

import numpy as np
import pytest

from pix2z.sky.neighbours import (
    CLOSEST,
    GALAXIES,
    HALF_WIDTH,
    STARS,
    draw_neighbours,
    number,
)


def brighter(counts, limit):
    """Number per square degree from r = 14 to `limit`."""
    return number(counts, limit)[1][-1]


def test_galaxies_are_as_many_as_surveys_find():
    assert brighter(GALAXIES, 21.0) == pytest.approx(3370, rel=0.03)  # Yasuda et al. (2001)
    last = brighter(GALAXIES, 21.0) - brighter(GALAXIES, 20.5)
    assert last == pytest.approx(1216, rel=0.03)
    assert brighter(GALAXIES, 19.8) == pytest.approx(1080, rel=0.1)  # GAMA: Baldry et al. (2010)
    # Strauss et al. (2002); faint surface brightnesses and blends are missing there.
    assert brighter(GALAXIES, 17.77) == pytest.approx(92, rel=0.2)


def bahcall_soneira(v, longitude, latitude):
    """Stars per square degree to V: Bahcall & Soneira (1980), eq. B1; degrees."""
    l, b = np.deg2rad(longitude), np.deg2rad(np.abs(latitude))  # noqa: E741
    mu = np.clip(0.0075 * (v - 12) + 0.03, 0.03, 0.09)
    gamma = np.clip(0.36 - 0.04 * (v - 12), 0.04, 0.36)
    sigma = 1.45 - 0.2 * np.cos(b) * np.cos(l)
    disc = 925 * 10 ** (0.035 * (v - 15.75)) / (1 + 10 ** (-0.132 * (v - 15.75))) ** 3
    disc = disc / (np.sin(b) * (1 - mu / np.tan(b) * np.cos(l))) ** (3 - 5 * gamma)
    halo = 1050 * 10 ** (0.087 * (v - 17.5)) / (1 + 10 ** (-0.18 * (v - 17.5))) ** 2.5
    return disc + halo / (1 - np.cos(b) * np.cos(l)) ** sigma


def test_stars_are_as_many_as_the_model_has_where_the_parents_are(parents):
    from astropy.coordinates import SkyCoord

    place = SkyCoord(parents.ra, parents.dec, unit="deg").galactic
    high = np.abs(place.b.deg) > 20  # where the equation holds; all but 0.1 %
    l, b = place.l.deg[high], place.b.deg[high]  # noqa: E741
    for r in (18.0, 20.0, 22.0):
        expected = np.mean(bahcall_soneira(r + 0.3, l, b) - bahcall_soneira(14.3, l, b))
        assert brighter(STARS, r) == pytest.approx(expected, rel=0.03)


N = 60_000


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    names = ("kind", "magnitude", "right", "up")
    return draw_neighbours(
        {"neighbour_number": rng.random(N)}
        | {f"neighbour_{name}": rng.random((N, 4)) for name in names},
        np.full(N, 17.0),
        limit=22.5,
    )


def test_stamps_hold_a_poisson_number_of_them_uniform(drawn):
    square, circle = (2 * HALF_WIDTH / 3600) ** 2, np.pi * (CLOSEST / 3600) ** 2
    for star, counts in ((True, STARS), (False, GALAXIES)):
        of_kind = drawn.star == star
        for limit in (17.0, 19.0, 21.0, 22.5):
            brighter_than_galaxy = brighter(counts, min(limit, 17.0))
            expected = N * (square * brighter(counts, limit) - circle * brighter_than_galaxy)
            found = (of_kind & (drawn.magnitude < limit)).sum()
            assert abs(found - expected) < 4 * np.sqrt(expected)
    per_stamp = np.bincount(drawn.stamp, minlength=N)
    assert per_stamp.var() / per_stamp.mean() == pytest.approx(1, abs=0.02)
    assert np.abs(drawn.x).max() <= HALF_WIDTH
    assert (np.abs(drawn.x) > HALF_WIDTH / 2).mean() == pytest.approx(0.5, abs=0.015)


def test_what_is_brighter_than_the_galaxy_keeps_apart_from_it(drawn):
    close = np.hypot(drawn.x, drawn.y) < CLOSEST
    assert drawn.magnitude[close].min() > 17.0
    assert close.mean() == pytest.approx(np.pi * CLOSEST**2 / (2 * HALF_WIDTH) ** 2, rel=0.1)
