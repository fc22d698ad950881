import numpy as np
import pytest
from scipy import stats

from pix2z.evaluation.bootstrap import (
    MIN_GROUPS,
    Chance,
    Resamples,
    binomial_band,
    chance_of_groups,
    chance_of_resamples,
    chance_of_seeds,
    holm,
    independent,
    student,
)
from pix2z.evaluation.contrasts import outcome


def all_weights(group_id, n_bootstrap=300, seed=1):
    return np.concatenate(list(Resamples(group_id, n_bootstrap, seed)))


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
    blocks = list(Resamples(group_id, 300, 1))
    assert max(len(block) for block in blocks) == 2
    np.testing.assert_array_equal(np.concatenate(blocks), once)


def test_intervals_and_p_values_of_single_galaxies_are_those_of_the_paired_t_test():
    terms = np.random.default_rng(5).normal(0.12, 1.0, 300)
    found = student(terms.mean(), [chance_of_groups(terms, np.arange(300))])
    expected = stats.ttest_1samp(terms, 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_the_variance_over_groups_is_that_of_resampling_them():
    rng = np.random.default_rng(9)
    group_id = np.sort(rng.integers(120, size=300))  # of unequal sizes
    terms = rng.normal(0, 1, 300) + rng.normal(0, 1, 120)[group_id]
    weights = all_weights(group_id, 6000)
    drawn = chance_of_resamples(weights @ terms / weights.sum(axis=1), group_id)
    exact = chance_of_groups(terms, group_id)
    assert exact.variance == pytest.approx(drawn.variance, rel=0.07)
    assert exact.variance > 1.5 * terms.var() / 300  # as if all were independent
    assert exact.freedom == drawn.freedom == len(np.unique(group_id)) - 1


@pytest.mark.parametrize("n", [0, 1, 3, MIN_GROUPS - 1, MIN_GROUPS])
def test_of_few_groups_nothing_is_known(n):
    terms, group_id = np.repeat(np.linspace(0, 1, n), 4), np.repeat(np.arange(n), 4)
    for chance in (
        chance_of_groups(terms, group_id),
        chance_of_resamples(np.arange(9.0), group_id),
    ):
        found = student(0.5, [chance, chance_of_seeds([0.1, 0.2])])
        assert np.isfinite([found.low, found.high, found.p]).all() == (n == MIN_GROUPS)


def test_what_does_not_scatter_is_known_exactly():
    none = chance_of_groups(np.zeros(60), np.arange(60))
    assert student(0.0, [none]) == (0.0, 0.0, 0.0, 1.0)
    assert student(0.1, [none]) == (0.1, 0.1, 0.1, 0.0)


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
        chances = [Chance(galaxies**2, 1900), *map(chance_of_seeds, pools)]
        limits.append(student(difference, chances)[1:3])
    return np.array(limits)


@pytest.mark.parametrize("scatter", [(1.0, 1.0), (1.0, 0.2), (1.0, 0.0)])
@pytest.mark.parametrize(("seeds", "missed_by_welch"), [(3, 0.075), (5, 0.055)])
def test_intervals_with_the_scatter_of_trainings_hold_the_truth(scatter, seeds, missed_by_welch):
    low, high = simulated(scatter, seeds=seeds, galaxies=0.1).T
    missed = np.mean((low > 0) | (high < 0))
    # An approximation, poor for three. With the freedoms of both arms added, where one scatters
    # alone, it would be 0.083 of five seeds and 0.109 of three.
    assert 0.015 <= missed <= missed_by_welch + HALF


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


def test_of_a_pool_without_a_scatter_nothing_is_added():
    galaxies = Chance(0.04, 200)
    alone = student(1.0, [galaxies])
    for values in ([], [0.1], [0.25, 0.25], [0.1, np.nan, 0.2]):
        assert student(1.0, [galaxies, chance_of_seeds(values)]) == pytest.approx(alone)
