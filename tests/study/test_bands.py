import numpy as np
import pytest

from pix2z.study.bands import all_subsets, shapley_values


def test_a_game_of_two_bands_by_hand():
    # v(none) 0, v(a) 1, v(b) 2, v(a and b) 4: a adds 1 first and 2 second, b adds 2 and 3.
    np.testing.assert_allclose(shapley_values(np.array([0.0, 1.0, 2.0, 4.0])), [1.5, 2.5])


def test_values_sum_to_what_all_bands_gain_in_every_game():
    values = np.random.default_rng(1).normal(size=(32, 2, 7))
    shares = shapley_values(values)
    assert shares.shape == (5, 2, 7)
    np.testing.assert_allclose(shares.sum(axis=0), values[-1] - values[0])


def test_a_band_that_adds_the_same_to_every_subset_has_just_that_value():
    subsets = all_subsets(5)
    values = subsets @ np.array([0.0, 3.0, 1.0, 2.0, 0.5])
    np.testing.assert_allclose(shapley_values(values), [0.0, 3.0, 1.0, 2.0, 0.5], atol=1e-12)


def test_a_missing_subset_is_refused():
    with pytest.raises(ValueError, match="2\\^B subsets"):
        shapley_values(np.zeros(31))
