"""Scores of reconstructed spectra on cases whose answer is known."""

import numpy as np
import pytest

from pix2z.evaluation.bootstrap import Resamples
from pix2z.spectra.scores import H_ALPHA, ScoredBlock, colours, line_offsets, score_spectra
from pix2z.spectra.summary import spectrum_summary
from pix2z.wavelengths import WavelengthGrid
from pix2z.wavelengths.lines import BLENDS, blend_at

GRID = WavelengthGrid(3800.0, 9200.0, 1000)
"""Covers g, r and i."""


def with_line(z, *, at=None, height=1.0):
    place = H_ALPHA * (1 + (z if at is None else at))
    line = height * np.exp(-0.5 * ((GRID.values / place - 1) / 0.003) ** 2)
    return (1 + line)[None].astype(np.float32)


def block_of(flux, half, truth, z, line95=0.0):
    """Bands of one half width, twice that for 95 %; at lines `line95`, a quarter of it for 68 %."""
    line = np.full((len(flux), len(BLENDS)), line95, np.float32)
    return ScoredBlock(flux, half, 2 * half, line / 4, line, truth, z)


def test_errors_and_coverage_do_not_depend_on_blocks_and_leave_unknown_flux_out():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.8, 1.2, (30, GRID.n)).astype(np.float32)
    flux = truth + rng.normal(0, 0.1, truth.shape).astype(np.float32)
    truth[:, :200] = np.nan
    truth[3] = np.nan
    half = np.full_like(flux, 0.1)
    z = np.full(30, 0.1)
    whole = [block_of(flux, half, truth, z, line95=np.nan)]
    cut = [ScoredBlock(*(part[s] for part in whole[0])) for s in (slice(0, 7), slice(7, 30))]
    one, other = (score_spectra(blocks, wavelength=GRID.values) for blocks in (whole, cut))
    np.testing.assert_allclose(one.mse, other.mse)
    np.testing.assert_allclose(one.by_wavelength["rmse"], other.by_wavelength["rmse"])
    error = (flux - truth)[[0, 1, 2, *range(4, 30)], 200:]
    known = np.isfinite(one.mse)
    assert known.sum() == 29
    assert one.mse[known].mean() == pytest.approx(np.mean(error**2), rel=1e-5)
    assert one.inside68[known].mean() == pytest.approx(np.mean(np.abs(error) <= 0.1), rel=1e-5)
    np.testing.assert_allclose(
        one.by_wavelength["rmse"][300:], np.sqrt((error**2).mean(0))[100:], rtol=1e-4
    )


@pytest.mark.parametrize(("line95", "held"), [(1.2, 1.0), (0.8, 2 / 3), (np.nan, np.nan)])
def test_a_line_is_judged_by_its_own_band_and_all_else_by_that_of_the_continuum(line95, held):
    """H alpha of height 1, so broad that it is 0.6 at [N II], is missed by a flat spectrum."""
    z = np.array([0.12, 0.12])
    truth = np.repeat(with_line(0.12), 2, axis=0)
    truth[1, GRID.values < 5000] = np.nan
    flux = np.ones_like(truth)

    def judged(of_lines):
        block = block_of(flux, np.full_like(flux, 0.01), truth, z, line95=of_lines)
        return score_spectra([block], wavelength=GRID.values)

    found, h_alpha = judged(line95), list(BLENDS).index("H alpha, [N II]")
    np.testing.assert_allclose(found.lines95[:, h_alpha], held)
    np.testing.assert_allclose(found.lines68[:, h_alpha], held * 0)
    assert (found.lines_in_continuum95[:, h_alpha] == 0).all()
    assert (found.lines_in_continuum95[:, 2] == 1).all()  # [O III] is not there, and not given
    blue = found.lines_in_continuum95[:, 0]
    assert blue[0] == 1
    assert np.isnan(blue[1])  # [O II] at 4175 Angstrom is not known
    near = blend_at(GRID.values, z[:1]) == h_alpha
    gained = found.inside95[0] - judged(np.nan).inside95[0]
    if held == 1:
        assert gained == pytest.approx(np.mean(near), abs=1e-9)
    assert found.half95[0] == pytest.approx(0.02)


def test_colours_of_a_flat_fnu_spectrum_are_those_of_ab_zero():
    """A source of constant f_nu has the same AB magnitude in every band: 0 but for the system's."""
    flux = (1 / GRID.values**2)[None].astype(np.float64)
    found = colours(flux.astype(np.float32) * 1e7, GRID.values)
    # m_AB - m_SDSS of g, r, i: 0.012, 0.010, 0.028
    np.testing.assert_allclose(found, [[-0.002, 0.018]], atol=2e-3)


@pytest.mark.parametrize("shift", [-0.02, 0.0, 0.013])
def test_the_offset_of_a_line_is_found(shift):
    z = 0.12
    flux = with_line(z, at=(1 + z) * (1 + shift) - 1)
    found = line_offsets(flux, with_line(z), np.array([z]), wavelength=GRID.values)
    assert found[0] == pytest.approx(shift, abs=1.1 * GRID.step)


def test_a_line_is_found_within_300_km_s_and_no_more():
    """Of four lines, two are off by 150 km/s and two by 1,200, which is well within 1 %."""
    z = np.full(4, 0.12)
    places = 1.12 * (1 + np.array([5e-4, -5e-4, 4e-3, -4e-3])) - 1
    flux = np.concatenate([with_line(0.12, at=at) for at in places])
    truth = np.concatenate([with_line(0.12)] * 4)
    block = block_of(flux, np.full_like(flux, 0.1), truth, z)
    summary = spectrum_summary(
        score_spectra([block], wavelength=GRID.values),
        Resamples(np.arange(4), n_bootstrap=20, seed=1),
        measured_colours=np.zeros((4, 2)),
        colour_names=("g-r", "r-i"),
    )
    assert summary["h_alpha"]["n"] == 4
    assert summary["h_alpha"]["found"]["value"] == 0.5


def test_no_line_is_looked_for_where_there_is_none_or_beyond_the_end():
    z = np.array([0.12, 0.39])
    weak = np.concatenate([with_line(0.12, height=0.05), with_line(0.39)])
    found = line_offsets(weak, weak, z, wavelength=GRID.values)
    assert np.isnan(found).all()
