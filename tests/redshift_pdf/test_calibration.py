import numpy as np
import pytest
from scipy.stats import norm

from pix2z.redshift_pdf import calibration
from pix2z.redshift_pdf.calibration import evenly_spread, fit_temperature
from pix2z.redshift_pdf.density import cdf_at
from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(0.0, 0.4, 200)


def gaussian_pdfs(centre: np.ndarray, sigma: float) -> np.ndarray:
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
    pit = cdf_at(fitted.apply(density, GRID), GRID, z_spec)
    if claimed == 0.01:
        assert np.std(pit) == pytest.approx(np.sqrt(1 / 12), rel=0.03)


def test_the_fit_does_not_depend_on_its_chunks(monkeypatch):
    rng = np.random.default_rng(2)
    centre = rng.uniform(0.15, 0.25, 500)
    density, z_spec = gaussian_pdfs(centre, 0.02), rng.normal(centre, 0.01)
    once = fit_temperature(density, z_spec, grid=GRID)
    monkeypatch.setattr(calibration, "_CHUNK_ROWS", 7)
    assert fit_temperature(density, z_spec, grid=GRID) == once


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
