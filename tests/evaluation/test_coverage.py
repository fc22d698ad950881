"""Coverage along variables: what an average hides is found, what chance makes is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pix2z.dataset.store import open_galaxies
from pix2z.evaluation.bootstrap import binomial_band
from pix2z.evaluation.coverage import (
    VARIABLES,
    bins_outside,
    chance,
    coverage_along,
    measured_variables,
    n_shares,
)
from pix2z.evaluation.pdf_metrics import COVERAGE, covered
from pix2z.imaging import EXTINCTION_PER_EBV
from tests.evaluation.conftest import make_terms, make_workspace


def galaxies(n=2000, *, seed=3):
    """Terms of n galaxies whose PDFs are calibrated for every galaxy, and colour and seeing."""
    rng = np.random.default_rng(seed)
    terms = replace(make_terms(n), pit=rng.uniform(size=n))
    return terms, {"g_r": rng.uniform(0.4, 1.2, n), "seeing": rng.normal(1.3, 0.1, n)}


def misjudged(terms, variable):
    """PIT of PDFs too wide where the variable is low and too narrow where it is high, 68 % held."""
    rank = (stats.rankdata(variable) - 0.5) / len(variable)
    z = stats.norm.ppf(terms.pit) * np.exp(0.6 * (rank - 0.5))
    return replace(terms, pit=stats.norm.cdf(z))


def test_calibrated_pdfs_are_inside_every_band():
    along = coverage_along(*galaxies())
    assert list(along) == list(VARIABLES)
    assert n_shares(along) == 120
    assert bins_outside(along) == []
    assert chance(along) > 0.05
    assert all(abs(z) < 3 for followed in along.values() for z in followed["trend"].values())


def test_what_the_average_hides_is_found_along_its_variable_alone():
    terms, measured = galaxies()
    wrong = misjudged(terms, measured["g_r"])
    low, high = binomial_band(2000, 0.68)
    assert low <= covered(wrong.pit, 0.68).mean() <= high
    along = coverage_along(wrong, measured)
    outside = bins_outside(along)
    assert [share["variable"] for share in outside[:4]] == ["g_r"] * 4
    assert sum(share["variable"] != "g_r" for share in outside) <= 1
    assert [share["p"] for share in outside] == sorted(share["p"] for share in outside)
    assert chance(along) < 0.001
    assert along["g_r"]["trend"]["coverage_68"] < -5
    assert abs(along["seeing"]["trend"]["coverage_68"]) < 3


def test_the_bands_of_one_variable_hold_together():
    """The exact chance that calibrated PDFs leave any of them is 5 % at most, and not far less."""
    for followed in coverage_along(*galaxies()).values():
        kept = 1.0
        for of_bin in followed["bins"]:
            for name, level in COVERAGE.items():
                n, share = of_bin["n"], of_bin[name]
                low, high = round(share["band_low"] * n), round(share["band_high"] * n)
                kept *= stats.binom.cdf(high, n, level) - stats.binom.cdf(low - 1, n, level)
        assert 0.95 <= kept < 0.98


def test_stamps_of_one_galaxy_count_as_one():
    terms, measured = galaxies(1000)
    four_each = replace(terms, group_id=np.argsort(np.argsort(terms.z_phot)) // 4)
    one, four = (coverage_along(t, measured)["z_phot"] for t in (terms, four_each))
    low, high = binomial_band(25, 0.68, outside=1 - 0.95 ** (1 / 20))
    for plain, grouped in zip(one["bins"], four["bins"], strict=True):
        share = grouped["coverage_68"]
        assert grouped["n"] == plain["n"] == 100
        assert (share["band_low"], share["band_high"]) == (low, high)
        assert share["value"] == plain["coverage_68"]["value"]
        assert share["p"] >= plain["coverage_68"]["p"] * 0.99
    assert abs(four["trend"]["coverage_68"]) < abs(one["trend"]["coverage_68"])


@pytest.mark.parametrize(("n", "bins"), [(1, 1), (79, 1), (80, 2), (399, 9), (5000, 10)])
def test_few_galaxies_have_fewer_bins(n, bins):
    along = coverage_along(*galaxies(n))
    for followed in along.values():
        assert len(followed["bins"]) == bins
        counts = [of_bin["n"] for of_bin in followed["bins"]]
        assert sum(counts) == n
        assert max(counts) - min(counts) <= 1


def test_unknown_values_are_in_no_bin_and_may_leave_none():
    terms, measured = galaxies(300)
    measured["g_r"][:100] = np.nan
    measured["seeing"][:] = np.nan
    along = coverage_along(terms, measured)
    assert sum(of_bin["n"] for of_bin in along["g_r"]["bins"]) == 200
    assert along["seeing"] == {"bins": [], "trend": {"coverage_68": None, "coverage_95": None}}
    assert chance({"seeing": along["seeing"]}) == 1.0


def test_colours_are_those_of_the_stamps_less_the_galactic_reddening(tmp_path):
    make_workspace(tmp_path, n=20, arms=(), controls=())
    rows = np.array([7, 2, 30])
    with open_galaxies(tmp_path / "data/galaxies.h5") as data:
        found = measured_variables(data, rows)
        ebv, seeing = data.column("ebv", rows), data.column("seeing", rows)
        flux = np.nansum(data.images(rows), axis=(1, 2))
    observed = -2.5 * np.log10(flux[:, 1] / flux[:, 2])
    reddening = (EXTINCTION_PER_EBV[1] - EXTINCTION_PER_EBV[2]) * ebv
    np.testing.assert_allclose(found["g_r"], observed - reddening, atol=0.3)
    np.testing.assert_allclose(found["seeing"], seeing[:, 2])
