import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pix2z.ingest.columns import sky_cell

RA = st.floats(-360, 720, allow_nan=False)
DEC = st.floats(-90, 90, allow_nan=False)


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


def test_neighbours_within_a_cell_share_it():
    ra, dec = np.array([150.2, 150.2005, 151.9]), np.array([2.3, 2.3005, 2.3])
    cells = sky_cell(ra, dec)
    assert cells[0] == cells[1] != cells[2]


def test_edges_of_the_sky_have_cells_and_what_is_off_it_has_none():
    cells = sky_cell(
        np.array([0.0, 360.0, 10.0, 10.0, np.nan, 0.0, 0.0, np.inf]),
        np.array([0.0, 0.0, 90.0, -90.0, 0.0, np.nan, 90.1, 0.0]),
    )
    assert cells[0] == cells[1]
    assert (cells[:4] >= 0).all()
    assert cells[4:].tolist() == [-1, -1, -1, -1]
