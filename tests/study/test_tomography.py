from dataclasses import replace

import numpy as np
import pytest

from pix2z.evaluation.bootstrap import Resamples
from pix2z.redshift_pdf.density import median, normalise
from pix2z.study.tomography import tomographic_bins, tomographic_numbers
from tests.evaluation.conftest import GRID, make_predictions


@pytest.fixture(scope="module")
def right():
    """Predictions whose PDFs are posteriors: redshifts are drawn from them."""
    predictions = make_predictions(4000)
    rng = np.random.default_rng(2)
    shares = np.cumsum(predictions.density, axis=1, dtype=float)
    number = (shares / shares[:, -1:] < rng.random((4000, 1))).sum(axis=1)
    drawn = GRID.centres[number] + GRID.width * (rng.random(4000) - 0.5)
    return replace(predictions, z_spec=drawn)


def shifted(predictions, shift):
    moved = np.array(
        [np.interp(GRID.centres - shift, GRID.centres, p) for p in predictions.density]
    )
    density = normalise(moved, GRID)
    return replace(predictions, density=density, z_phot=median(density, GRID))


def of(predictions):
    resamples = Resamples(predictions.group_id, 300, 3)
    return tomographic_bins(predictions, n_bins=4, resamples=resamples)


def test_bins_hold_equal_numbers_and_cover_all():
    z_phot = np.random.default_rng(1).random(1001)
    number = tomographic_numbers(z_phot, 5)
    assert sorted(np.bincount(number)) == [200] * 4 + [201]
    assert (np.diff(number[np.argsort(z_phot)]) >= 0).all()


def test_no_bin_is_empty_where_estimates_are_tied(right):
    tied = replace(right, z_phot=np.full(4000, 0.1))
    assert [bin_["n"] for bin_ in of(tied)] == [1000] * 4


def test_right_pdfs_have_no_bias_and_a_planted_shift_is_found_in_every_bin(right):
    fair, off = of(right), of(shifted(right, 0.006))
    assert [bin_["n"] for bin_ in fair] == [1000] * 4
    assert fair[0]["need"] == pytest.approx(0.002 * (1 + fair[0]["z_mean"]))
    for before, after in zip(fair, off, strict=True):
        assert abs(before["bias_mean"]["value"]) < 0.0015
        assert (
            before["bias_mean"]["low"] < before["bias_mean"]["value"] < before["bias_mean"]["high"]
        )
        moved = after["bias_mean"]["value"] - before["bias_mean"]["value"]
        assert moved == pytest.approx(0.006, abs=1e-3)
        assert after["bias_mean"]["low"] > 0.003
    assert sum(bin_["bias_mean"]["low"] < 0 < bin_["bias_mean"]["high"] for bin_ in fair) >= 3


def test_pdfs_that_are_too_wide_show_in_the_width_alone(right):
    kernel = np.exp(-0.5 * (np.arange(-20, 21) * GRID.width / 0.012) ** 2)
    wide = np.array([np.convolve(p, kernel, "same") for p in right.density])
    for before, after in zip(
        of(right), of(replace(right, density=normalise(wide, GRID))), strict=True
    ):
        assert after["bias_width"]["low"] > 0.0005
        assert after["bias_mean"]["value"] == pytest.approx(before["bias_mean"]["value"], abs=2e-3)


def test_stack_and_spectroscopic_distribution_integrate_to_one(right):
    for bin_ in of(right):
        for name in ("stack", "spectroscopic"):
            assert sum(bin_[name]) * GRID.width == pytest.approx(1, abs=1e-6)
