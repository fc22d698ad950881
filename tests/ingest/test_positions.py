"""Positions that are no degrees are named; those of surveys are not."""

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.ingest.columns import Column, assemble
from pix2z.ingest.positions import position_doubts, position_problems
from tests.ingest.layout_files import raw_content, write_hdf5

N = 200
RNG = np.random.default_rng(5)
SKY = RNG.uniform(0, 360, N), np.rad2deg(np.arcsin(RNG.uniform(-0.2, 0.95, N)))
NORTH = RNG.uniform(115, 255, N), RNG.uniform(-5, 65, N)
STRIPE_82 = RNG.uniform(-50, 55, N) % 360, RNG.uniform(-1.25, 1.25, N)
COSMOS = RNG.uniform(149.4, 150.8, N), RNG.uniform(1.5, 2.9, N)
NEAR_0 = RNG.uniform(0, 20, N), RNG.uniform(-10, 15, N)
NO_PLACE = np.zeros(N)


def problems(ra, dec, *, says_unit=False, of=position_problems):
    columns = {"ra": Column(ra, "ra", says_unit=says_unit), "dec": Column(dec, "dec")}
    return list(of(assemble(columns, n=N, path="raw.h5", no_redshift="none")))


@pytest.mark.parametrize("survey", [SKY, NORTH, STRIPE_82, COSMOS, NEAR_0])
def test_surveys_pass(survey):
    assert problems(*survey) == problems(*survey, of=position_doubts) == []
    ra, dec = survey
    assert problems((ra + 180) % 360 - 180, dec) == []


@pytest.mark.parametrize(
    ("ra", "dec", "words"),
    [
        (SKY[0] / 15, SKY[1], "as in hours or radians"),
        (NORTH[0] / 15, NORTH[1], "right ascension from 7.68 to 17, declination over 69 degrees"),
        (STRIPE_82[0] / 15, STRIPE_82[1], "as in hours"),
        (np.deg2rad(SKY[0]), SKY[1], "as in hours or radians"),
        (NO_PLACE, SKY[1], "the right ascension of all 200 is 0"),
        (NO_PLACE, NO_PLACE, "the right ascension of all 200 is 0"),
        (NO_PLACE - 999, SKY[1], "the right ascension of all 200 is -999"),
        (SKY[0] * (RNG.uniform(size=N) > 0.2), SKY[1] * 0, "are exactly 0, 0, a sign for none"),
        (NO_PLACE + 180, NO_PLACE + 2, "the right ascension of all 200 is 180"),
    ],
)
def test_other_units_and_no_positions_are_named(ra, dec, words):
    (problem,) = problems(ra, dec)
    assert words in problem
    assert "(hourangle, rad, deg)" in problem
    assert problems(ra, dec, says_unit=True) == []


@pytest.mark.parametrize(
    "positions",
    [np.deg2rad(SKY), np.deg2rad(NORTH), (RNG.uniform(0, 6, N), RNG.uniform(-1.25, 1.25, N))],
)
def test_a_piece_of_stripe_82_may_be_in_radians_and_is_taken_as_degrees(positions):
    assert problems(*positions) == []
    (doubt,) = problems(*positions, of=position_doubts)
    assert "positions (ra, dec): all within 2 pi and pi / 2, taken as degrees" in doubt
    assert problems(*positions, says_unit=True, of=position_doubts) == []


def test_ingest_refuses_them_unless_it_is_told_to_take_all(tmp_path, run_ingest):
    raw = raw_content()
    raw["ra"][:] = 0
    path = write_hdf5(tmp_path / "raw.h5", raw)
    with pytest.raises(InputError, match=r"raw\.h5: positions \(ra, dec\): .* all 50 is 0;"):
        run_ingest(path)
    with pytest.raises(InputError, match="to take them as they are, give --no-check$"):
        run_ingest(path, unchecked_by="give --no-check")
    _, report = run_ingest(path, check_photometry=False)
    assert len(report["photometry"]["problems"]) == 1
