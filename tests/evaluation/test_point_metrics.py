import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from pix2z.evaluation.point_metrics import point_metric_replicates, point_metrics, point_terms


def sample(n=500, seed=6):
    rng = np.random.default_rng(seed)
    z_spec = rng.uniform(0.01, 0.3, n)
    return z_spec + rng.standard_t(2.5, n) * 0.02, z_spec


def test_seed_metrics_agree_with_scikit_learn():
    z_phot, z_spec = sample()
    found = point_metrics(z_phot, z_spec)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(z_spec, z_phot))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(z_spec, z_phot))
    assert found["r2"] == pytest.approx(metrics.r2_score(z_spec, z_phot))
    assert found["adjusted_r2"] == pytest.approx(1 - (1 - found["r2"]) * 499 / 498)
    assert found["seed_bias"] == pytest.approx((z_phot - z_spec).mean())
    assert found["seed_precision"] == pytest.approx(1.48 * np.median(np.abs(z_phot - z_spec)))
    assert found["seed_outlier_005"] == pytest.approx((np.abs(z_phot - z_spec) > 0.05).mean())


def test_field_metrics_agree_with_scipy():
    z_phot, z_spec = sample()
    delta = (z_phot - z_spec) / (1 + z_spec)
    found = point_metrics(z_phot, z_spec)
    assert found["bias_mean"] == pytest.approx(delta.mean())
    assert found["bias_median"] == pytest.approx(np.median(delta))
    assert found["nmad"] == pytest.approx(1.4826 * stats.median_abs_deviation(delta))
    assert found["sigma_iqr"] == pytest.approx(stats.iqr(delta) / 1.349)
    limit = max(0.06, 3 * stats.iqr(delta) / 1.349)
    assert found["outlier_rail"] == pytest.approx((np.abs(delta) > limit).mean())
    for key, threshold in {"005": 0.05, "010": 0.10, "015": 0.15}.items():
        assert found[f"outlier_{key}"] == pytest.approx((np.abs(delta) > threshold).mean())


def test_replicates_are_metrics_of_the_repeated_sample():
    z_phot, z_spec = sample(80)
    weights = np.random.default_rng(7).integers(0, 4, (3, 80)).astype(float)
    replicates = point_metric_replicates(point_terms(z_phot, z_spec), weights)
    for row, counts in enumerate(weights.astype(int)):
        expected = point_metrics(np.repeat(z_phot, counts), np.repeat(z_spec, counts))
        for name, value in expected.items():
            assert replicates[name][row] == pytest.approx(value, abs=1e-12), name


def test_undefined_metrics_are_nan():
    assert all(np.isnan(value) for value in point_metrics([], []).values())
    one = point_metrics([0.1], [0.2])
    assert np.isnan(one["r2"])
    assert one["mae"] == pytest.approx(0.1)
    assert np.isnan(point_metrics([0.1, 0.2], [0.1, 0.3])["adjusted_r2"])


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        point_metrics([0.1, 0.2], [0.1])
