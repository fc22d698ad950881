import numpy as np
import pytest
from scipy.stats import kstest, norm

from pix2z.redshift_pdf import calibration
from pix2z.redshift_pdf.calibration import (
    LocalTemperature,
    Temperature,
    evenly_spread,
    fit_temperature,
)
from pix2z.redshift_pdf.density import cdf_at
from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(0.0, 0.4, 200)


def gaussian_pdfs(centre: np.ndarray, sigma: float | np.ndarray) -> np.ndarray:
    density = norm.pdf(GRID.centres[None, :], centre[:, None], sigma) + 1e-300
    return density / (density.sum(1, keepdims=True) * GRID.width)


@pytest.mark.parametrize("claimed", [0.005, 0.01, 0.03])
def test_temperature_restores_the_width(claimed):
    rng = np.random.default_rng(1)
    centre = rng.uniform(0.15, 0.25, 4000)
    z_spec = rng.normal(centre, 0.01)
    density = gaussian_pdfs(centre, claimed)
    fitted = fit_temperature(density, z_spec, grid=GRID)
    # p ** (1/T) of a normal distribution has T times its variance
    assert fitted.temperature == pytest.approx(min(max((0.01 / claimed) ** 2, 0.2), 5.0), rel=0.12)


def test_the_fit_does_not_depend_on_its_chunks(monkeypatch):
    rng = np.random.default_rng(2)
    centre = rng.uniform(0.15, 0.25, 500)
    density, z_spec = gaussian_pdfs(centre, 0.02), rng.normal(centre, 0.01)
    once = fit_temperature(density, z_spec, grid=GRID)
    monkeypatch.setattr(calibration, "_CHUNK_ROWS", 7)
    again = fit_temperature(density, z_spec, grid=GRID)
    assert again.temperature == pytest.approx(once.temperature, rel=1e-5)
    np.testing.assert_allclose(again.slopes, once.slopes, atol=1e-5)


def widths_wrong_by_width(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PDFs (n, K) that claim right widths on average: narrow ones too wide, wide ones too narrow.

    Returns also their redshifts and the widths that they claim.
    """
    rng = np.random.default_rng(seed)
    claimed = 0.01 * np.exp(rng.uniform(-0.9, 0.9, n))
    centre = rng.uniform(0.12, 0.28, n)
    true = 0.01 * (claimed / 0.01) ** 1.4
    return gaussian_pdfs(centre, claimed[:, None]), rng.normal(centre, true), claimed


def test_what_one_temperature_cannot_mend_is_mended():
    """Asked on galaxies that calibrated nothing, by thirds of the width."""
    local = fit_temperature(*widths_wrong_by_width(1300, 3)[:2], grid=GRID)
    density, z_spec, claimed = widths_wrong_by_width(3000, 4)
    thirds = np.array_split(np.argsort(claimed), 3)

    def uniform(density):
        pit = cdf_at(density, GRID, z_spec)
        return [kstest(pit[rows], "uniform").pvalue for rows in thirds]

    one = Temperature(local.temperature)
    assert max(uniform(one.apply(density, GRID))[::2]) < 1e-3
    assert min(uniform(local.apply(density, GRID))) > 0.01


def test_calibrated_pdfs_stay_what_they_are_within_chance():
    rng = np.random.default_rng(5)
    centre, sigma = rng.uniform(0.12, 0.28, 1300), rng.uniform(0.005, 0.02, 1300)
    density, z_spec = gaussian_pdfs(centre, sigma[:, None]), rng.normal(centre, sigma)
    fitted = fit_temperature(density, z_spec, grid=GRID)
    # a variance of n normal values is known to sqrt(2 / n) = 0.04; at the ends of a parabola less
    assert fitted.temperature == pytest.approx(1, abs=0.12)
    np.testing.assert_allclose(fitted.temperatures(density, GRID), 1, atol=0.25)


def test_few_galaxies_get_nearly_one_temperature():
    density, z_spec, _ = widths_wrong_by_width(30, 6)
    few = fit_temperature(density, z_spec, grid=GRID)
    density, z_spec, _ = widths_wrong_by_width(1300, 3)
    many = fit_temperature(density, z_spec, grid=GRID)
    assert np.abs(few.slopes).max() < np.abs(many.slopes).max() / 2


def test_far_from_the_calibration_galaxies_pdfs_stay_finite_and_one_is_as_many():
    local = fit_temperature(*widths_wrong_by_width(500, 7)[:2], grid=GRID)
    one_bin = np.zeros((1, GRID.n_bins))
    one_bin[0, -1] = 1 / GRID.width
    flat = np.full((1, GRID.n_bins), 1 / (GRID.n_bins * GRID.width))
    far = np.concatenate([one_bin, flat, gaussian_pdfs(np.array([0.39]), 1e-4)])
    found = local.apply(far, GRID)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1) * GRID.width, 1)
    for row in range(len(far)):
        np.testing.assert_allclose(local.apply(far[[row]], GRID)[0], found[row], rtol=1e-12)
    narrowest = gaussian_pdfs(np.array([0.2, 0.2]), np.array([[1e-3], [2e-3]]))
    assert np.ptp(local.temperatures(narrowest, GRID)) < 1e-9


@pytest.mark.parametrize(
    "damage",
    [{"slopes": (0.1,) * 3}, {"low": (np.nan, 0.0)}, {"high": (0.1,)}, {"temperature": -1.0}],
)
def test_numbers_that_no_fit_makes_are_refused(damage):
    right = {"temperature": 1.0, "slopes": (0.0,) * 4, "low": (-5.0, 0.0), "high": (-4.0, 0.3)}
    with pytest.raises(ValueError, match="expected a temperature above 0, 4 slopes"):
        LocalTemperature(**{**right, **damage})


@pytest.mark.parametrize(("n", "most"), [(0, 5), (5, 5), (6, 5), (1000, 7)])
def test_rows_are_spread_evenly_and_never_repeated(n, most):
    rows = 3 * np.arange(n)
    found = evenly_spread(rows, most=most)
    assert len(found) == min(n, most)
    assert np.isin(found, rows).all()
    if n > most:
        steps = np.diff(found) // 3
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1
