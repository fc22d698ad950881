import numpy as np
import pytest
from scipy import stats

from pix2z.evaluation.bootstrap import Resamples
from pix2z.evaluation.pit_uniformity import calibrated_limits, pit_distances, pit_uniformity


def distances(pit):
    return {name: float(of[0]) for name, of in pit_distances(pit, np.ones((1, len(pit)))).items()}


def test_the_rmse_is_that_of_the_cramer_von_mises_statistic():
    pit = np.random.default_rng(1).beta(2, 3, 500)
    statistic = stats.cramervonmises(pit, "uniform").statistic
    expected = np.sqrt((statistic - 1 / (12 * 500)) / 500)
    assert distances(pit)["pit_rmse"] == pytest.approx(expected, rel=1e-9)


def test_the_divergence_is_that_of_scipy():
    pit = np.random.default_rng(2).beta(2, 3, 500)
    shares = np.histogram(pit, 20, (0, 1))[0] / 500
    assert distances(pit)["pit_kl"] == pytest.approx(stats.entropy(shares, np.full(20, 0.05)))


def test_calibrated_samples_stay_below_their_limit_in_95_of_100_and_skewed_ones_do_not():
    rng, limits = np.random.default_rng(3), calibrated_limits(300)
    drawn = [distances(rng.random(300)) for _ in range(400)]
    for name, of_calibrated in limits.items():
        limit = of_calibrated["calibrated_95"]
        assert 0.92 < np.mean([of[name] < limit for of in drawn]) < 0.98
        assert (
            0.44 < np.mean([of[name] < of_calibrated["calibrated_median"] for of in drawn]) < 0.56
        )
        assert distances(rng.beta(2, 2, 300))[name] > limit
    # 2 n KL is close to chi-square with 19 degrees of freedom
    expected = stats.chi2.ppf(0.95, 19) / 600
    assert limits["pit_kl"]["calibrated_95"] == pytest.approx(expected, rel=0.1)


def test_weights_are_counts():
    pit = np.random.default_rng(4).random(40)
    counts = np.random.default_rng(5).integers(0, 4, 40)
    weighted = pit_distances(pit, counts[None].astype(float))
    repeated = distances(np.repeat(pit, counts))
    assert weighted["pit_kl"][0] == pytest.approx(repeated["pit_kl"])
    # Equal values share one step of the distribution here, and have ranks of their own there.
    assert weighted["pit_rmse"][0] == pytest.approx(repeated["pit_rmse"], abs=0.01)


def test_an_interval_holds_its_value_though_resampling_adds_chance():
    pit = np.random.default_rng(6).random(500)
    report = pit_uniformity(pit, Resamples(np.arange(500), 300, 1))
    for entry in report.values():
        assert 0 <= entry["low"] < entry["value"] < entry["high"]
        assert entry["calibrated_95"] > 0
    fewer = pit_uniformity(pit, Resamples(np.arange(500) // 4, 300, 1))
    for name, entry in fewer.items():
        assert entry["calibrated_95"] > 1.7 * report[name]["calibrated_95"]
