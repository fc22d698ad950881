import tracemalloc

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from pix2z.ingest.duplicates import (
    close_positions,
    near_another,
    repeated_between_groups,
)


def test_repeats_within_a_group_are_no_leak():
    value = np.array([7, 7, 7, 8], np.uint64)
    group = np.array([1, 1, 2, 2])
    assert repeated_between_groups(value, group).tolist() == [False, False, True, False]


@pytest.mark.parametrize("dec", [0.0, 60.0, -89.9999, 90.0])
@pytest.mark.parametrize("ra", [0.0, 123.4, 359.99999])
def test_radius_is_an_angle_on_the_sky_anywhere(ra, dec):
    centre = SkyCoord(ra * u.deg, dec * u.deg)
    near = centre.directional_offset_by(40 * u.deg, 1.99 * u.arcsec)
    far = centre.directional_offset_by(200 * u.deg, 2.01 * u.arcsec)
    positions = [centre, near, far]
    close = close_positions(
        np.array([p.ra.deg for p in positions]),
        np.array([p.dec.deg for p in positions]),
        np.arange(3),
        radius_arcsec=2.0,
    )
    assert close.tolist() == [False, True, False]


def test_large_ids_of_different_groups_are_told_apart():
    group = np.array([2**62, 2**62 + 1])
    close = close_positions(np.zeros(2), np.zeros(2), group, radius_arcsec=2.0)
    assert close.tolist() == [False, True]


def greedy(ra, dec, group, radius_arcsec):
    """The definition: each row in turn, against all kept ones before it."""
    sky = SkyCoord(ra * u.deg, dec * u.deg)
    close = sky[:, None].separation(sky[None, :]).arcsec <= radius_arcsec
    dropped = np.zeros(len(ra), bool)
    for row in range(len(ra)):
        dropped[row] = np.any(close[row, :row] & ~dropped[:row] & (group[:row] != group[row]))
    return dropped


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30
    )
)
def test_crowded_rows_against_the_definition(rows):
    # a lattice of 1.2 arcsec: many rows in one place, neighbours and diagonals within 2 arcsec
    x, y, group = np.array(rows).T
    ra, dec = x * 1.2 / 3600, y * 1.2 / 3600
    np.testing.assert_array_equal(
        close_positions(ra, dec, group, radius_arcsec=2.0), greedy(ra, dec, group, 2.0)
    )


def test_many_rows_in_one_place_take_little_memory():
    n = 20_000
    zeros = np.zeros(n)
    tracemalloc.start()
    close = close_positions(zeros, zeros, np.arange(n), radius_arcsec=2.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert close.sum() == n - 1
    assert peak < 500 * n


def test_positions_that_crowd_are_refused_before_all_pairs_are_listed():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 2e-4, (2, 20_000))  # 2e8 pairs
    with pytest.raises(ValueError, match="pairs of 20000 different positions lie within 2 arcsec"):
        close_positions(ra, dec, np.arange(20_000), radius_arcsec=2.0)


def test_positions_near_another_list():
    rng = np.random.default_rng(6)
    ra, dec = rng.uniform(0, 0.02, (2, 300))
    other_ra, other_dec = rng.uniform(0, 0.02, (2, 200))
    near = near_another(ra, dec, other_ra, other_dec, radius_arcsec=2.0)
    one, other = (SkyCoord(a * u.deg, d * u.deg) for a, d in ((ra, dec), (other_ra, other_dec)))
    expected = (one[:, None].separation(other[None, :]).arcsec <= 2.0).any(axis=1)
    np.testing.assert_array_equal(near, expected)
    assert 0 < near.sum() < len(ra)
