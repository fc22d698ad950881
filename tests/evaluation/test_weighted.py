import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
