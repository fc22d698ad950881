"""Galaxies in a field against the same galaxies as rendered, by an estimator that reads pixels."""

import numpy as np
import pytest

from pix2z.field.detection import detect
from pix2z.field.sources import find_sources
from pix2z.field.stars import stars_of
from pix2z.injection.detected import Search, completeness, search
from pix2z.injection.measured import Answers, answers, in_field, joined
from pix2z.injection.report import compared, crowded_rows, goals
from pix2z.injection.seeing import Seeing
from tests.catalogue.conftest import PixelReader
from tests.field.planted import SKY
from tests.injection.conftest import galaxies_of


@pytest.fixture(scope="module")
def seeing(frames):
    """The planted field's, whose stars are one Gaussian of 1.2 to 1.5 arcsec."""
    sources, stars = find_sources(frames), stars_of(detect(frames["r"]))
    return Seeing(np.full(5, 1.36), np.array(SKY), stars, sources)


def test_a_galaxy_alone_and_in_the_field_has_its_light_and_the_field_adds_its_own(frames, seeing):
    galaxies = galaxies_of(24, mag_r=16.0)
    found = in_field(frames, seeing, galaxies, np.random.default_rng(1))
    assert found.real.shape == found.alone.shape == (24, 32, 32, 5)
    flux = galaxies.sources.flux[:, 2]
    assert np.median(found.alone[..., 2].sum((1, 2)) / flux) == pytest.approx(0.93, abs=0.06)
    added = (found.real - found.alone)[..., 2].sum((1, 2)) / flux
    crowded = found.fainter < 1.5
    assert 0 < crowded.sum() < 12
    assert (added[crowded] > 0.1).all()
    assert np.abs(np.median(added[~crowded])) < 0.03
    again = in_field(frames, seeing, galaxies, np.random.default_rng(1))
    np.testing.assert_array_equal(found.real, again.real)
    np.testing.assert_array_equal(found.alone, again.alone)


def reading(galaxies, offset=0.0):
    """Answers of an estimator to stamps of pixels z + offset."""
    images = np.zeros((len(galaxies), 32, 32, 5), np.float32)
    images[:] = (galaxies.z + offset)[:, None, None, None]
    return answers(PixelReader(), images, galaxies)


def test_versions_are_compared_galaxy_by_galaxy():
    galaxies = galaxies_of(60)
    clean, real = reading(galaxies), reading(galaxies, offset=0.06)
    report = compared({"clean": clean, "real": real}, seed=1)
    assert report["n"] == 60
    assert report["clean"]["outlier_005"]["value"] == 0
    assert report["real"]["outlier_005"]["value"] > 0.5
    ratio = report["real / clean"]["crps"]
    assert ratio["low"] < ratio["value"] < ratio["high"]
    crps = [report[name]["crps"]["value"] for name in ("clean", "real")]
    assert ratio["value"] == pytest.approx(crps[1] / crps[0])
    same = compared({"clean": clean, "real": clean}, seed=1)["real / clean"]["crps"]
    assert same == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_a_galaxy_in_two_fields_is_drawn_as_one():
    galaxies = galaxies_of(60)
    one = reading(galaxies, offset=0.02 * np.sin(np.arange(60)))
    once = compared({"clean": one, "real": one}, seed=1)["real"]["crps"]
    twice = joined([one, one])
    assert len(twice.flags) == 120
    assert compared({"clean": twice, "real": twice}, seed=1)["real"]["crps"] == pytest.approx(once)


def test_every_galaxy_is_in_one_class_of_crowding():
    fainter = np.array([-3.0, 0.49, 0.5, 2.49, 2.5, 9.0, np.inf])
    rows = crowded_rows(fainter)
    assert [list(np.flatnonzero(mask)) for mask in rows.values()] == [[0, 1], [2, 3], [4, 5, 6]]


def value(number):
    return {"value": number, "low": number, "high": number}


def test_a_goal_is_met_inside_its_range_only():
    overall = {
        "real": {
            "outlier_005": value(0.011),
            "coverage_95": value(0.95),
            "bias_median": value(-0.0021),
        },
        "real / clean": {"crps": value(1.08)},
    }
    told = goals(overall, {"real / clean": {"nmad": value(1.2)}})
    assert {name: goal["met"] for name, goal in told.items()} == {
        "crps_ratio": True,
        "outlier_005": False,
        "coverage_95": True,
        "bias_median": False,
        "found_nmad_ratio": False,
    }
    numbers = dict.fromkeys(("outlier_005", "coverage_95", "bias_median"), value(None))
    overall = {"real": numbers, "real / clean": {"crps": value(None)}}
    told = goals(overall, {"real / clean": {"nmad": value(None)}})
    assert not any(goal["met"] for goal in told.values())


def test_bright_galaxies_are_found_and_stars_are_called_stars(frames, seeing):
    galaxies = galaxies_of(16, mag_r=16.7, radius=2.5)
    found = search(frames, seeing, galaxies, np.random.default_rng(2))
    assert found.galaxy_told.sum() >= 13
    assert found.star_told.sum() <= 2
    assert np.isfinite(found.images[found.galaxy_found]).all()
    assert np.isnan(found.images[~found.galaxy_found]).all()
    flux = found.images[found.galaxy_told][..., 2].sum((1, 2))
    assert np.median(flux / galaxies.sources.flux[0, 2]) == pytest.approx(0.93, abs=0.07)


def test_completeness_and_purity_are_shares_of_what_is_there():
    ten = np.arange(10)
    result = Search(
        mag_r=np.where(ten < 5, 16.7, 17.6),
        galaxy_found=ten != 0,
        galaxy_told=ten > 1,
        star_told=ten == 9,
        images=np.zeros((10, 32, 32, 5), np.float32),
        field_mag_r=np.array([16.6, 16.9, 17.5, 17.5, 17.5, 19.0]),
        field_galaxy=np.array([True, False, True, False, False, True]),
    )
    by_bin = {tuple(one["r"]): one for one in completeness(result)}
    bright, faint, whole = (by_bin[r] for r in ((16.5, 17.0), (17.4, 17.8), (14.0, 17.8)))
    assert (bright["n"], bright["found"]["value"], bright["complete"]["value"]) == (5, 0.8, 0.6)
    assert bright["purity"]["value"] == 1
    assert faint["star_called_galaxy"]["value"] == pytest.approx(0.2)
    assert faint["purity"]["value"] == pytest.approx(1 / (1 + 0.2 * 2))
    assert faint["purity"]["low"] < faint["purity"]["value"] < faint["purity"]["high"]
    assert whole["n_in_fields"] == {"galaxies": 2, "stars": 3}
    assert by_bin[14.0, 16.0]["n"] == 0
    assert by_bin[14.0, 16.0]["complete"] == {"value": None, "low": None, "high": None}


def test_answers_keep_flags():
    galaxies = galaxies_of(3)
    images = np.full((3, 32, 32, 5), 0.1, np.float32)
    images[0, 0, 0, 0] = np.nan
    told = answers(PixelReader(), images, galaxies)
    assert isinstance(told, Answers)
    assert (told.flags != 0).tolist() == [True, False, False]
    np.testing.assert_array_equal(told.terms.group_id, galaxies.parent)
