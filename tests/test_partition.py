import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pix2z.partition import partition

FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}
IDS = arrays(np.int64, st.integers(0, 50), elements=st.integers(-(2**63), 2**63 - 1))


@given(ids=IDS, seed=st.integers(0, 2**32))
def test_part_depends_on_id_and_seed_alone(ids, seed):
    parts = partition(ids, seed=seed, fractions=FRACTIONS)
    alone = [int(partition(ids[[k]], seed=seed, fractions=FRACTIONS)[0]) for k in range(len(ids))]
    assert parts.tolist() == alone
    assert parts.dtype == np.uint8


@pytest.mark.parametrize("ids", [np.arange(200_000), 10 * np.arange(200_000) + 2**60])
def test_shares_are_the_fractions(ids):
    counts = np.bincount(partition(ids, seed=7, fractions=FRACTIONS), minlength=4) / len(ids)
    # five binomial standard deviations
    np.testing.assert_allclose(counts, list(FRACTIONS.values()), atol=5 * 0.5 / len(ids) ** 0.5)


def test_seeds_give_independent_partitions_and_no_shifted_copies():
    ids = np.arange(100_000)
    one, other = (partition(ids, seed=seed, fractions=FRACTIONS) for seed in (1, 2))
    expected = sum(share**2 for share in FRACTIONS.values())
    assert np.mean(one == other) == pytest.approx(expected, abs=0.01)
    for shift in (1, 2):
        assert np.mean(one[shift:] == other[:-shift]) == pytest.approx(expected, abs=0.01)
        assert np.mean(one[shift:] == one[:-shift]) == pytest.approx(expected, abs=0.01)


def splitmix64(state):
    """SplitMix64 with Python's integers (Steele, Lea & Flood 2014, figure 1)."""
    z = (state + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_oracle_gives_the_published_first_output_of_seed_0():
    assert splitmix64(0) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("seed", [0, 2002])
def test_parts_are_those_of_the_hash_in_exact_arithmetic(seed):
    """The parts of existing data must never change, whatever numpy does."""
    ids = [0, 1, 2, 17, 9999, 1_237_650_000_000_000_000, 2**63 - 1, -1, *range(100, 160)]
    upper = (0.55, 0.67, 0.80)
    expected = []
    for value in ids:
        uniform = (splitmix64((value + splitmix64(seed)) % 2**64) >> 11) / 2**53
        expected.append(sum(uniform >= limit for limit in upper))
    assert partition(np.array(ids), seed=seed, fractions=FRACTIONS).tolist() == expected
    assert set(expected) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "fractions",
    [
        {"train": 0.8, "test": 0.2},
        {**FRACTIONS, "test": 0.3},
        {**FRACTIONS, "more": 0.0},
    ],
)
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(ValueError, match="sum to 1"):
        partition(np.arange(3), seed=1, fractions=fractions)
