import numpy as np
import pytest
from scipy import stats

from pix2z.evaluation.bootstrap import (
    binomial_band,
    bootstrap_p,
    group_weights,
    holm,
    independent,
    interval,
    training_shifts,
)
from pix2z.evaluation.contrasts import outcome


def all_weights(group_id, n_bootstrap=300, seed=1):
    return np.concatenate(list(group_weights(group_id, n_bootstrap=n_bootstrap, seed=seed)))


def test_rows_of_a_group_are_drawn_together():
    group_id = np.array([7, 3, 7, 11, 3, 7])
    weights = all_weights(group_id)
    assert weights.shape == (300, 6)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 4])
    np.testing.assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)


def test_draws_depend_on_the_seed_alone_and_not_on_block_size(monkeypatch):
    group_id = np.arange(50)
    once = all_weights(group_id)
    np.testing.assert_array_equal(once, all_weights(group_id))
    assert (once != all_weights(group_id, seed=2)).any()
    monkeypatch.setattr("pix2z.evaluation.bootstrap.BLOCK_ELEMENTS", 120)
    blocks = list(group_weights(group_id, n_bootstrap=300, seed=1))
    assert max(len(block) for block in blocks) == 2
    np.testing.assert_array_equal(np.concatenate(blocks), once)


def test_p_values_agree_with_the_paired_t_test():
    difference = np.random.default_rng(5).normal(0.12, 1.0, 300)
    replicates = all_weights(np.arange(300), 4000) @ difference / 300
    expected = stats.ttest_1samp(difference, 0).pvalue
    assert bootstrap_p(difference.mean(), replicates) == pytest.approx(expected, abs=0.02)


def test_p_values_have_a_floor_and_a_ceiling():
    replicates = np.random.default_rng(6).normal(10.0, 0.1, 999)
    assert bootstrap_p(10.0, replicates) == pytest.approx(1 / 1000)
    assert bootstrap_p(0.0, np.zeros(999)) == 1.0


def test_holm_agrees_with_the_worked_example():
    # Four tests at p = 0.01, 0.04, 0.03, 0.005: sorted times 4, 3, 2, 1, made monotone.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_rows_of_one_group_count_for_fewer_galaxies():
    assert independent(np.arange(7)) == 7
    assert independent(np.repeat(np.arange(7), 4)) == 7
    # one large group: the variance of its mean is that of 16 / 10 galaxies, not of two
    assert independent(np.array([5, 5, 5, 2])) == 1
    assert independent(np.array([], np.int64)) == 0


def test_the_binomial_band_holds_95_percent_of_calibrated_samples():
    low, high = binomial_band(2000, 0.68)
    hits = np.random.default_rng(7).binomial(2000, 0.68, 4000) / 2000
    assert ((hits >= low) & (hits <= high)).mean() == pytest.approx(0.95, abs=0.015)
    assert np.isnan(binomial_band(0, 0.68)).all()


TRIALS = 1000
HALF = 1.96 * np.sqrt(0.05 * 0.95 / TRIALS)
"""Half the interval of a share of trials that should be 5 %."""


def simulated(scatter, *, seeds=5, galaxies=0.3, gap=0.0):
    """Intervals (trials, 2) of differences of two pools whose true difference is `gap`.

    scatter : sd of a single seed of either arm; galaxies : sd that the choice of galaxies gives.
    """
    rng = np.random.default_rng(8)
    limits = []
    for _ in range(TRIALS):
        pools = [rng.normal(mean, sd, seeds) for mean, sd in zip((gap, 0.0), scatter, strict=True)]
        difference = pools[0].mean() - pools[1].mean() + rng.normal(0, galaxies)
        drawn = difference + rng.normal(0, galaxies, 500) + training_shifts(pools, 500, rng=rng)
        limits.append(interval(drawn))
    return np.array(limits)


def sum_of_freedoms(seeds):
    """How often an interval misses if one arm scatters alone, and both arms' freedoms are added."""
    return 2 * stats.t.sf(stats.t.ppf(0.975, 2 * (seeds - 1)), seeds - 1)


@pytest.mark.parametrize("scatter", [(1.0, 1.0), (1.0, 0.2), (1.0, 0.0)])
@pytest.mark.parametrize(("seeds", "missed_by_welch"), [(3, 0.06), (5, 0.05)])
def test_intervals_with_the_scatter_of_trainings_hold_the_truth(scatter, seeds, missed_by_welch):
    low, high = simulated(scatter, seeds=seeds, galaxies=0.1).T
    missed = np.mean((low > 0) | (high < 0))
    assert 0.015 <= missed <= missed_by_welch + HALF  # an approximation: 0.06 at worst of three
    assert sum_of_freedoms(seeds) > 0.05 + 2 * HALF  # 0.083 of five seeds, 0.109 of three


def test_the_same_network_with_other_seeds_is_not_called_different():
    """A margin that is far away from all, so that it cannot help, and one that is wide enough."""
    intervals = simulated((1.0, 1.0))
    called = {
        margin: [
            outcome(
                {"difference": 0.0, "low": low, "high": high, "margin": margin, "single_seed": []},
                better="lower",
            )
            for low, high in intervals
        ]
        for margin in (1e-9, 6.0)
    }
    assert 1 - called[1e-9].count("undecided") / TRIALS <= 0.05 + HALF
    assert called[6.0].count("equivalent") / TRIALS > 0.95


def test_what_differs_by_the_margin_is_called_equivalent_in_few_cases():
    low, high = simulated((1.0, 1.0), gap=2.5).T
    assert np.mean((low > -2.5) & (high < 2.5)) <= 0.025 + HALF


def test_a_pool_without_a_scatter_adds_no_shift():
    rng = np.random.default_rng(1)
    for pools in ([[0.1], []], [[0.25, 0.25], [0.3]], [[0.1, np.nan, 0.2], []]):
        np.testing.assert_array_equal(training_shifts(pools, 4, rng=rng), 0.0)
