import numpy as np
import pytest
from scipy import stats

from pix2z.evaluation.bootstrap import binomial_band, bootstrap_p, group_weights, holm


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


def test_the_binomial_band_holds_95_percent_of_calibrated_samples():
    low, high = binomial_band(2000, 0.68)
    hits = np.random.default_rng(7).binomial(2000, 0.68, 4000) / 2000
    assert ((hits >= low) & (hits <= high)).mean() == pytest.approx(0.95, abs=0.015)
    assert np.isnan(binomial_band(0, 0.68)).all()
