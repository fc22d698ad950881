import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from pix2z.redshift_pdf.density import cdf_at, mean, std
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.residual import (
    fit_residual_pdf,
    from_dict,
    residual_density,
    to_dict,
)

GRID = RedshiftGrid(0.0, 0.4, 180)


def galaxies(n=6000, seed=0):
    """z_phot and z_spec of an estimator with a bias of 0.01 and a scatter that grows with z."""
    rng = np.random.default_rng(seed)
    z_phot = rng.uniform(0.08, 0.28, n)
    return z_phot, rng.normal(z_phot + 0.01, 0.1 * z_phot)


@pytest.fixture(scope="module")
def model():
    return fit_residual_pdf(*galaxies(40_000), grid=GRID, n_phot_bins=8)


def test_densities_are_those_of_the_residuals(model):
    z_phot = np.array([0.12, 0.18, 0.24])
    density = residual_density(model, z_phot)
    np.testing.assert_allclose(mean(density, GRID), z_phot + 0.01, atol=0.001)
    np.testing.assert_allclose(std(density, GRID), 0.1 * z_phot, rtol=0.12)
    expected = np.diff(norm.cdf(GRID.edges, 0.19, 0.018)) / GRID.width
    assert np.abs(density[1] - expected).sum() * GRID.width < 0.08


def test_pit_of_new_galaxies_is_uniform(model):
    z_phot, z_spec = galaxies(20_000, seed=1)
    pit = cdf_at(residual_density(model, z_phot), GRID, z_spec)
    assert kstest(pit, "uniform").statistic < 0.015


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 30),
    n_phot_bins=st.integers(1, 12),
    seed=st.integers(0, 1000),
    tied=st.booleans(),
)
def test_few_or_tied_galaxies_still_give_pdfs(n, n_phot_bins, seed, tied):
    rng = np.random.default_rng(seed)
    z_phot = np.full(n, 0.1) if tied else rng.uniform(-0.2, 0.6, n)
    fitted = fit_residual_pdf(z_phot, rng.uniform(0, 0.4, n), grid=GRID, n_phot_bins=n_phot_bins)
    assert len(fitted.z_phot) <= min(n_phot_bins, max(n // 2, 1))
    density = residual_density(fitted, np.linspace(0, 0.4, 9))
    np.testing.assert_allclose(density.sum(axis=1) * GRID.width, 1.0)


def test_json_roundtrip_gives_the_same_densities(model):
    again = from_dict(json.loads(json.dumps(to_dict(model))))
    z_phot = np.linspace(0, 0.4, 20)
    np.testing.assert_array_equal(residual_density(again, z_phot), residual_density(model, z_phot))
    assert again.grid == GRID


@pytest.mark.parametrize(
    ("z_phot", "z_spec", "words"),
    [
        ([0.1], [0.1], "N at least 2"),
        ([0.1, 0.2], [0.1], "must be"),
        ([0.1, np.nan], [0.1, 0.2], "finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(z_phot, z_spec, words):
    with pytest.raises(ValueError, match=words):
        fit_residual_pdf(z_phot, z_spec, grid=GRID, n_phot_bins=2)
