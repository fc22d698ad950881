import numpy as np
import pytest
import qp
from scipy import stats

from pix2z.evaluation.pdf_metrics import pdf_metric_replicates, pdf_terms, prepared_pdf_terms
from pix2z.redshift_pdf.density import normalise, quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=20)


def random_pdfs(n=30, seed=8):
    rng = np.random.default_rng(seed)
    return normalise(rng.gamma(0.4, size=(n, GRID.n_bins)), GRID), rng.uniform(0.0, 0.4, n)


def measured(density, z_spec, weights=None):
    """Metrics under each set of weights, by default under one of ones."""
    weights = np.ones((1, len(density))) if weights is None else weights
    return pdf_metric_replicates(prepared_pdf_terms(**pdf_terms(density, GRID, z_spec)), weights)


def crps_by_integration(row, z_spec, low=-0.3, high=0.7, n=400_000):
    """Midpoint rule on a fine grid."""
    z = low + (np.arange(n) + 0.5) * (high - low) / n
    cdf = np.interp(z, GRID.edges, np.concatenate([[0], np.cumsum(row)]) * GRID.width)
    return ((cdf - (z >= z_spec)) ** 2).sum() * (high - low) / n


@pytest.mark.parametrize("z_spec", [0.137, 0.1400001, 0.4, 0.55, -0.1])
def test_crps_is_the_integral(z_spec):
    density, _ = random_pdfs(4)
    found = pdf_terms(density, GRID, np.full(4, z_spec))["crps"]
    expected = [crps_by_integration(row, z_spec) for row in density]
    np.testing.assert_allclose(found, expected, atol=3e-6)
    assert measured(density, np.full(4, z_spec))["crps"] == pytest.approx(np.mean(found))


def test_cde_loss_agrees_with_qp_on_the_same_bins():
    density, z_spec = random_pdfs()
    ensemble = qp.Ensemble(qp.hist, data={"bins": GRID.edges, "pdfs": density})
    # qp integrates p^2 by the trapezoidal rule on the grid it is given.
    metric = qp.metrics.concrete_metric_classes.CDELossMetric(
        eval_grid=np.linspace(0.0, 0.4, 40_001)
    )
    expected = metric.evaluate(ensemble, z_spec)
    assert measured(density, z_spec)["cde_loss"] == pytest.approx(expected, rel=2e-3)


def test_pit_and_its_ks_distance_agree_with_qp_and_scipy():
    density, z_spec = random_pdfs()
    ensemble = qp.Ensemble(qp.hist, data={"bins": GRID.edges, "pdfs": density})
    pit = pdf_terms(density, GRID, z_spec)["pit"]
    np.testing.assert_allclose(pit, ensemble.cdf(z_spec[:, None])[:, 0], atol=1e-12)
    expected = stats.kstest(pit, "uniform").statistic
    assert measured(density, z_spec)["pit_ks"] == pytest.approx(expected, abs=1e-12)


def test_coverage_counts_truths_between_the_quantiles():
    density, z_spec = random_pdfs(200)
    found = measured(density, z_spec)
    for name, level in {"coverage_68": 0.68, "coverage_95": 0.95}.items():
        low, high = quantiles(density, GRID, [(1 - level) / 2, (1 + level) / 2]).T
        assert found[name] == pytest.approx(((z_spec >= low) & (z_spec <= high)).mean())


def test_replicates_are_metrics_of_the_repeated_sample():
    density, z_spec = random_pdfs()
    weights = np.random.default_rng(11).integers(0, 4, (3, 30)).astype(float)
    replicates = measured(density, z_spec, weights)
    for row, counts in enumerate(weights.astype(int)):
        repeated = np.repeat(np.arange(30), counts)
        for name, value in measured(density[repeated], z_spec[repeated]).items():
            assert replicates[name][row] == pytest.approx(value[0], abs=1e-12), name


def test_an_empty_sample_has_no_metrics():
    found = measured(np.empty((0, GRID.n_bins)), [])
    assert all(np.isnan(value) for value in found.values())
