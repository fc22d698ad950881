"""Bad rows, bad pixels, cells of the sky, and going through all rows in chunks."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.ingest.checks import absent_as_nan, column_faults, row_ranges, stamp_facts
from pix2z.ingest.columns import Column, assemble, sky_cell

RA, DEC = st.floats(-360, 720), st.floats(-90, 90)


def test_absent_as_nan_leaves_a_band_with_any_value_alone():
    images = np.zeros((2, 32, 32, 5), np.float32)
    images[0, 4, 4, 1] = 1.0
    images[1, 4, 4, 2] = np.nan
    result = absent_as_nan(images)
    np.testing.assert_array_equal(
        np.isnan(result).all(axis=(1, 2)),
        [[True, False, True, True, True], [True, True, False, True, True]],
    )
    assert result[0, 0, 0, 1] == 0.0


def test_equal_stamps_have_equal_digests_and_only_they():
    rng = np.random.default_rng(3)
    images = rng.normal(size=(6, 32, 32, 5)).astype(np.float32)
    images[4] = images[1]
    images[5] = images[1]
    images[5, 31, 31, 4] += 1e-6
    digest = stamp_facts(images).digest
    assert digest[4] == digest[1]
    assert len(np.unique(digest)) == 5


def faults(**columns):
    found = {role: Column(np.asarray(values), role) for role, values in columns.items()}
    n = len(next(iter(columns.values())))
    table = assemble(found, n=n, path="raw.h5", no_redshift="none")
    return column_faults(table, z_min=0.02, z_max=0.6, pdf_range=(0.0, 0.4))


def test_redshifts_have_two_ranges():
    redshift = [0.01, 0.02, 0.3, 0.4, 0.59, 0.6, -0.1, np.nan, np.inf]
    found = faults(redshift=redshift)
    expected = {
        "redshift is not finite": [7, 8],
        "redshift outside [0.02, 0.6)": [0, 5, 6, 7, 8],
        "redshift beyond the PDF grid [0, 0.4)": [3, 4, 5, 6, 7, 8],
        "redshift error is negative": [],
    }
    assert {reason: np.flatnonzero(bad).tolist() for reason, bad in found.items()} == expected


def test_positions_are_judged_only_where_there_are_any():
    assert not [reason for reason in faults(redshift=[0.1]) if "position" in reason]
    found = faults(redshift=[0.1] * 5, ra=[1, np.nan, 1, 1, 1], dec=[1, 1, np.inf, 90.1, -90.0])
    assert found["position is not on the sky"].tolist() == [False, True, True, True, False]


@given(st.integers(0, 5000), st.integers(1, 700))
def test_every_row_once_and_in_order(n, chunk_rows):
    ranges = list(row_ranges(n, chunk_rows=chunk_rows, doing="read"))
    rows = np.concatenate([np.arange(*one) for one in ranges]) if ranges else np.arange(0)
    np.testing.assert_array_equal(rows, np.arange(n))
    assert all(0 < stop - start <= chunk_rows for start, stop in ranges)


@pytest.mark.parametrize(
    ("seconds_per_chunk", "lines"),
    [
        (0.5, []),
        (3.0, [f"{n} of 100 rows checked, about {s} s left" for n, s in ((40, 18), (80, 6))]),
    ],
)
def test_a_line_every_ten_seconds(caplog, seconds_per_chunk, lines):
    now = [100.0]
    with caplog.at_level(logging.INFO, logger="pix2z.ingest.checks"):
        for _ in row_ranges(100, chunk_rows=10, doing="checked", clock=lambda: now[0]):
            now[0] += seconds_per_chunk
    assert caplog.messages == lines


@given(ra=RA, dec=DEC)
def test_points_further_apart_than_a_cell_do_not_share_one(ra, dec):
    other_dec = dec + 1.01 if dec < 0 else dec - 1.01
    cells = sky_cell(np.array([ra, ra]), np.array([dec, other_dec]))
    assert cells[0] != cells[1]
    if abs(dec) < 80:  # nearer a pole a cell has only few neighbours around it
        far = ra + 1.1 / np.cos(np.deg2rad(dec))
        cells = sky_cell(np.array([ra, far]), np.array([dec, dec]))
        assert cells[0] != cells[1]


@given(ra_1024=st.integers(0, 360 * 1024 - 1), dec=DEC, turns=st.integers(-3, 3))
def test_right_ascension_is_periodic(ra_1024, dec, turns):
    ra = ra_1024 / 1024  # exact, and so is a full turn more
    cells = sky_cell(np.array([ra, ra + 360 * turns]), np.array([dec, dec]))
    assert cells[0] == cells[1]


def test_areas_are_alike_over_the_sphere():
    rng = np.random.default_rng(8)
    n = 400_000
    ra, dec = rng.uniform(0, 360, n), np.rad2deg(np.arcsin(rng.uniform(-1, 1, n)))
    cells, counts = np.unique(sky_cell(ra, dec), return_counts=True)
    assert 41_000 < len(cells) < 41_600  # the sphere has 41,253 square degrees
    assert counts.max() < 5 * n / len(cells)


def test_edges_of_the_sky_have_cells_and_what_is_off_it_has_none():
    cells = sky_cell(
        np.array([0.0, 360.0, 10.0, 10.0, np.nan, 0.0, 0.0, np.inf]),
        np.array([0.0, 0.0, 90.0, -90.0, 0.0, np.nan, 90.1, 0.0]),
    )
    assert cells[0] == cells[1]
    assert (cells[:4] >= 0).all()
    assert cells[4:].tolist() == [-1, -1, -1, -1]
