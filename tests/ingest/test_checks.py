"""Bad rows, bad pixels, cells of the sky, and going through all rows in chunks."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.errors import InputError
from pix2z.ingest.checks import RowLimits, column_faults, redshift_problems, row_ranges
from pix2z.ingest.columns import Column, assemble, sky_cell

RA, DEC = st.floats(-360, 720), st.floats(-90, 90)


def test_redshifts_have_two_ranges():
    redshift = np.array([0.01, 0.02, 0.3, 0.4, 0.59, 0.6, -0.1, np.nan, np.inf])
    columns = {"redshift": Column(redshift, "redshift")}
    table = assemble(columns, n=len(redshift), path="raw.h5", no_redshift="none")
    found = column_faults(table, RowLimits(z_min=0.02, z_max=0.6, pdf_range=(0.0, 0.4)))
    expected = {
        "redshift is not finite": [7, 8],
        "redshift outside [0.02, 0.6)": [0, 5, 6, 7, 8],
        "redshift beyond the PDF grid [0, 0.4)": [3, 4, 5, 6, 7, 8],
        "redshift error is negative": [],
    }
    assert {reason: np.flatnonzero(bad).tolist() for reason, bad in found.items()} == expected


def test_a_line_every_ten_seconds(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("pix2z.ingest.checks.time.monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO, logger="pix2z.ingest.checks"):
        for _ in row_ranges(100, chunk_rows=10, doing="checked"):
            now[0] += 3.0
    assert caplog.messages == [
        "40 of 100 rows checked, about 18 s left",
        "80 of 100 rows checked, about 6 s left",
    ]


@given(ra=RA, dec=DEC)
def test_points_further_apart_than_a_cell_do_not_share_one(ra, dec):
    other_dec = dec + 1.01 if dec < 0 else dec - 1.01
    cells = sky_cell(np.array([ra, ra]), np.array([dec, other_dec]))
    assert cells[0] != cells[1]
    if abs(dec) < 80:  # nearer a pole a cell has only few neighbours around it
        far = ra + 1.1 / np.cos(np.deg2rad(dec))
        cells = sky_cell(np.array([ra, far]), np.array([dec, dec]))
        assert cells[0] != cells[1]


def test_edges_of_the_sky_have_cells_and_what_is_off_it_has_none():
    cells = sky_cell(
        np.array([0.0, 360.0, 10.0, 10.0, np.nan, 0.0, 0.0, np.inf]),
        np.array([0.0, 0.0, 90.0, -90.0, 0.0, np.nan, 90.1, 0.0]),
    )
    assert cells[0] == cells[1]
    assert (cells[:4] >= 0).all()
    assert cells[4:].tolist() == [-1, -1, -1, -1]


@pytest.mark.parametrize(
    ("value", "n", "is_named"), [(0, 20, True), (0, 19, False), (0.1, 40, True), (0.1, 39, False)]
)
def test_a_redshift_that_stands_for_none_is_named(value, n, is_named):
    redshift = np.concatenate([np.full(n, value), np.linspace(0.02, 0.3, 200 - n), [-1.0] * 90])
    columns = {"redshift": Column(redshift, "z_spec")}
    table = assemble(columns, n=290, path="raw.h5", no_redshift="none")
    found = redshift_problems(table, RowLimits(z_min=0.0, z_max=0.4, pdf_range=(0.0, 0.4)))
    words = f"redshifts (z_spec): {n} of 200 are exactly {value:g}, a sign for none; "
    assert [problem.startswith(words) for problem in found] == [True] * is_named


def test_ingest_refuses_redshifts_that_stand_for_none(raw, write_raw, run_ingest):
    raw["specz_redshift"][:20] = 0
    with pytest.raises(InputError, match=r"raw\.h5: redshifts .*: 20 of 50 are exactly 0"):
        run_ingest(write_raw(raw))
