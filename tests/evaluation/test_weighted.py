import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pix2z.evaluation import weighted


@st.composite
def samples(draw):
    """Values with ties, and integer weights of which some are 0."""
    values = draw(st.lists(st.integers(-9, 9), min_size=1, max_size=30))
    weights = draw(
        st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values)).filter(any)
    )
    return np.array(values) / 7.0, np.array(weights)


def ordered(values, weights):
    return weighted.weighted_sample(weighted.ordered_sample(values), weights)


@given(samples(), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_quantiles_are_those_of_the_repeated_sample(sample, level):
    values, weights = sample
    repeated = np.repeat(values, weights)
    found = weighted.quantile(ordered(values, weights[None]), level)
    np.testing.assert_allclose(found, np.quantile(repeated, level), atol=1e-12)


@given(samples())
def test_the_mad_is_that_of_the_repeated_sample(sample):
    values, weights = sample
    repeated = np.repeat(values, weights)
    sorted_sample = ordered(values, weights[None])
    found = weighted.absolute_deviation(sorted_sample, weighted.quantile(sorted_sample, 0.5))
    np.testing.assert_allclose(found, stats.median_abs_deviation(repeated), atol=1e-12)


@given(samples(), st.floats(-2, 2), st.floats(0, 2))
def test_shares_are_counted(sample, low, length):
    values, weights = sample
    repeated = np.repeat(values, weights)
    sorted_sample = ordered(values, weights[None])
    found = weighted.share_within(sorted_sample, np.array([low]), np.array([low + length]))
    np.testing.assert_allclose(found, ((repeated >= low) & (repeated <= low + length)).mean())


def test_the_ks_distance_is_that_of_scipy_on_every_resample():
    rng = np.random.default_rng(4)
    values = rng.beta(1.3, 0.9, 60)
    weights = rng.integers(0, 4, (5, 60))
    found = weighted.ks_uniform(ordered(values, weights))
    expected = [stats.kstest(np.repeat(values, row), "uniform").statistic for row in weights]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_means_agree_with_numpy(shape):
    rng = np.random.default_rng(5)
    terms, weights = rng.normal(size=shape), rng.integers(0, 3, (4, 20))
    expected = [np.average(terms, axis=0, weights=row) for row in weights]
    np.testing.assert_allclose(weighted.weighted_mean(terms, weights.astype(float)), expected)
