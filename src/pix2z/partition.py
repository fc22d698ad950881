"""Which part a group of galaxies belongs to: a stable hash of its id and the seed, nothing else.

The renderer asks this function which parents may be moved, the splitter which rows train; since
both get the same answer for the same id, stamps of one parent can never straddle two parts, and
adding galaxies never moves the others.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARTS", "partition"]

PARTS = ("train", "validation", "calibration", "test")


def partition(
    group_id: NDArray[np.int64], *, seed: int, fractions: Mapping[str, float]
) -> NDArray[np.uint8]:
    """Return the index in `PARTS` of each group.

    Parameters
    ----------
    group_id : (N,) integer ids; equal ids get equal parts.
    seed : another seed gives another, independent partition.
    fractions : expected share of each part, summing to 1.
    """
    if set(fractions) != set(PARTS) or abs(sum(fractions.values()) - 1.0) > 1e-9:
        raise ValueError(f"fractions must name {PARTS} and sum to 1; got {dict(fractions)}")
    uniform = _hash_uniform(np.asarray(group_id), seed)
    upper = np.cumsum([fractions[part] for part in PARTS])
    return np.minimum(np.searchsorted(upper, uniform, side="right"), 3).astype(np.uint8)


def _hash_uniform(group_id: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """SplitMix64 finaliser (Steele, Lea & Flood 2014) of id and seed -> uniform on [0, 1)."""
    x = group_id.astype(np.uint64) + _mix(np.full(1, seed, np.uint64))  # wraps modulo 2**64
    return (_mix(x) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
