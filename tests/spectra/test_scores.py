"""Scores of reconstructed spectra on cases whose answer is known."""

import numpy as np
import pytest

from pix2z.sky.filters import band_weights, flux_density_per_nanomaggy
from pix2z.spectra.scores import H_ALPHA, colours, line_offsets, score_spectra
from pix2z.spectra.summary import compare_spectra, spectrum_summary
from pix2z.wavelengths import WavelengthGrid

GRID = WavelengthGrid(3800.0, 9200.0, 1000)
BANDS = {
    band: (band_weights(GRID.values, band), flux_density_per_nanomaggy(band)) for band in "gri"
}


def with_line(z, *, at=None, height=1.0):
    place = H_ALPHA * (1 + (z if at is None else at))
    line = height * np.exp(-0.5 * ((GRID.values / place - 1) / 0.003) ** 2)
    return (1 + line)[None].astype(np.float32)


def test_a_perfect_reconstruction_has_no_error_and_is_inside():
    truth = np.repeat(with_line(0.1), 5, axis=0)
    band = np.full_like(truth, 0.01)
    block = (truth, band, band, truth, np.full(5, 0.1))
    found = score_spectra([block], wavelength=GRID.values, bands=BANDS)
    for name in ("mse", "mae"):
        np.testing.assert_array_equal(getattr(found.galaxies, name), 0)
    np.testing.assert_array_equal(found.galaxies.inside68, 1)
    np.testing.assert_allclose(found.galaxies.line_offset, 0, atol=GRID.step)
    np.testing.assert_allclose(found.galaxies.colours, found.galaxies.true_colours)


def test_errors_and_coverage_do_not_depend_on_blocks_and_leave_unknown_flux_out():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.8, 1.2, (30, GRID.n)).astype(np.float32)
    flux = truth + rng.normal(0, 0.1, truth.shape).astype(np.float32)
    truth[:, :200] = np.nan
    truth[3] = np.nan
    half = np.full_like(flux, 0.1)
    z = np.full(30, 0.1)
    whole = [(flux, half, 2 * half, truth, z)]
    cut = [
        tuple(part[s] for part in (flux, half, 2 * half, truth, z))
        for s in (slice(0, 7), slice(7, 30))
    ]
    one, other = (score_spectra(b, wavelength=GRID.values, bands=BANDS) for b in (whole, cut))
    np.testing.assert_allclose(one.galaxies.mse, other.galaxies.mse)
    np.testing.assert_allclose(one.wavelengths.rmse, other.wavelengths.rmse)
    error = (flux - truth)[[0, 1, 2, *range(4, 30)], 200:]
    known = np.isfinite(one.galaxies.mse)
    assert known.sum() == 29
    assert one.galaxies.mse[known].mean() == pytest.approx(np.mean(error**2), rel=1e-5)
    assert one.galaxies.inside68[known].mean() == pytest.approx(
        np.mean(np.abs(error) <= 0.1), rel=1e-5
    )
    np.testing.assert_allclose(
        one.wavelengths.rmse[300:], np.sqrt((error**2).mean(0))[100:], rtol=1e-4
    )


def test_colours_of_a_flat_fnu_spectrum_are_those_of_ab_zero():
    """A source of constant f_nu has the same AB magnitude in every band: 0 but for the system's."""
    flux = (1 / GRID.values**2)[None].astype(np.float64)
    found = colours(flux.astype(np.float32) * 1e7, BANDS)
    # m_AB - m_SDSS of g, r, i: 0.012, 0.010, 0.028
    np.testing.assert_allclose(found, [[-0.002, 0.018]], atol=2e-3)


@pytest.mark.parametrize("shift", [-0.02, 0.0, 0.013])
def test_the_offset_of_a_line_is_found(shift):
    z = 0.12
    flux = with_line(z, at=(1 + z) * (1 + shift) - 1)
    found = line_offsets(flux, with_line(z), np.array([z]), wavelength=GRID.values)
    assert found[0] == pytest.approx(shift, abs=1.1 * GRID.step)


def test_no_line_is_looked_for_where_there_is_none_or_beyond_the_end():
    z = np.array([0.12, 0.39])
    weak = np.concatenate([with_line(0.12, height=0.05), with_line(0.39)])
    found = line_offsets(weak, weak, z, wavelength=GRID.values)
    assert np.isnan(found).all()


def test_a_reconstruction_without_a_line_is_not_counted_as_found():
    rising = np.linspace(1.0, 2.0, GRID.n)[None] ** 3
    found = line_offsets(
        rising.astype(np.float32), with_line(0.12), np.array([0.12]), wavelength=GRID.values
    )
    assert not abs(found[0]) < 0.01


def scored(error, n=60):
    truth = np.repeat(with_line(0.1), n, axis=0)
    rng = np.random.default_rng(2)
    flux = truth + rng.normal(0, error, truth.shape).astype(np.float32)
    half = np.full_like(flux, error)
    block = (flux, half, 2 * half, truth, np.full(n, 0.1))
    return score_spectra([block], wavelength=GRID.values, bands=BANDS)


def test_a_summary_has_intervals_around_its_values():
    found = spectrum_summary(
        scored(0.1),
        group_id=np.arange(60) // 2,
        measured_colours=np.zeros((60, 2)),
        colour_names=("g-r", "r-i"),
        n_bootstrap=200,
        seed=1,
    )
    assert found["mse"]["low"] < found["mse"]["value"] < found["mse"]["high"]
    assert found["mse"]["value"] == pytest.approx(0.01, rel=0.05)
    assert found["coverage_68"] == pytest.approx(0.683, abs=0.01)
    assert found["h_alpha"]["n"] == 60
    assert found["colours"]["g-r"]["against_target"]["nmad"] < 0.02


def test_the_better_network_is_told_from_the_worse():
    scores = {"full": scored(0.1).galaxies, "plain": scored(0.2).galaxies}
    masks = {"whole": np.ones(60, bool), "inside": np.arange(60) < 40}
    entries = compare_spectra(
        scores,
        (("full", "plain"), ("full", "absent")),
        masks,
        group_id=np.arange(60),
        n_bootstrap=200,
        seed=1,
    )
    assert len(entries) == 4
    assert all(e["high"] < 0 and e["low"] <= e["difference"] <= e["high"] for e in entries)
