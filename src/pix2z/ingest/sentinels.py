"""Numbers that stand for "no measurement", such as -9999: one exact value, again and again.

Pixels of a sky have noise, so hardly two are exactly the same, and none lies far below the sky.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.imaging import BANDS

__all__ = ["Repeated", "repeated_extremes", "sentinel_problems"]

LOWEST_OVER_NOISE = -100.0
"""Below the sky, in its noise; a pixel of a whole sky is not found below -10."""

HUGE_OR_ABOVE = 9998.0
"""Size of a value, in the unit of the file, that is suspect on either side: a pixel of mag 12.5."""

NINES = (99.0, 999.0)
"""Smaller ones that are in use, on either side: where a whole band is -999, so is its sky. Any
other above the sky may be a saturated or clipped pixel."""

ROUNDING = 1e-6
"""Relative, of 32 bits and a conversion of the unit."""

FEWEST_PIXELS = 8
"""In which a value is found at the least."""


@dataclass(frozen=True)
class Repeated:
    """A suspect value in one band of a block of stamps: how many pixels, and which rows."""

    value: float
    band: int
    n_pixels: int
    rows: NDArray[np.int64]


@np.errstate(invalid="ignore", over="ignore")  # damaged bytes may be signalling NaNs
def repeated_extremes(
    images: NDArray[np.float32], rows: NDArray[np.int64], *, nanomaggies: float = 1.0
) -> list[Repeated]:
    """Find suspect values of stamps (n, 32, 32, 5), each in two pixels at the least.

    Parameters
    ----------
    rows : (n,) numbers of the stamps.
    nanomaggies : unit of the file; values are given in it.
    """
    repeated = []
    for band in range(len(BANDS)):
        stored = images[..., band].reshape(len(images), -1) / np.float64(nanomaggies)
        suspect = _suspect(stored)
        if not suspect.any():
            continue
        values, which = np.unique(stored[suspect].astype(np.float32), return_inverse=True)
        stamp = np.nonzero(suspect)[0]
        for k in np.flatnonzero(np.bincount(which) >= 2):
            holders = stamp[which == k]
            value = float(values[k])
            repeated.append(Repeated(value, band, len(holders), rows[np.unique(holders)]))
    return repeated


def _suspect(stored: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the pixels of one band, in the unit of the file, are far outside of a sky."""
    there = stored[np.isfinite(stored)]
    if not there.size:
        return np.zeros(stored.shape, np.bool_)
    sky = np.median(there)
    # 1.4826: MAD of a normal distribution -> its sigma; nothing lies below a sky without noise
    noise = 1.4826 * np.median(np.abs(there - sky)) or np.inf
    low = np.asarray(stored < max(sky + LOWEST_OVER_NOISE * noise, -HUGE_OR_ABOVE))
    other = stored >= HUGE_OR_ABOVE
    for number in NINES:
        other |= np.abs(np.abs(stored) - number) <= number * ROUNDING
    if _are_counts(stored[~(low | other)]):
        other[:] = False  # of counts, any bright one may occur often
    return (low | other) & np.isfinite(stored)


def _are_counts(values: NDArray[np.float64]) -> bool:
    finite = values[np.isfinite(values)]
    whole = np.abs(finite - np.rint(finite)) <= ROUNDING * np.abs(finite)
    return bool(finite.size and whole.all())


def sentinel_problems(repeated: Sequence[Repeated], *, n: int) -> Iterator[str]:
    """One sentence for each value that stands in enough pixels of the n stamps looked at."""
    for value in dict.fromkeys(one.value for one in repeated):
        same = [one for one in repeated if one.value == value]
        n_pixels = sum(one.n_pixels for one in same)
        if n_pixels < FEWEST_PIXELS:
            continue
        rows = np.unique(np.concatenate([one.rows for one in same]))
        bands = " ".join(BANDS[band] for band in sorted({one.band for one in same}))
        number = f"{value:.6g}"
        yield (
            f"{n_pixels} pixels are exactly {number}, in {len(rows)} of {n} galaxies (bands "
            f"{bands}, first in row {rows[0]}), far outside what the sky gives: a number for "
            "masked pixels; they are to be NaN (layout hdf5 makes them so, given "
            f"ingest.hdf5.masked_value: {number})"
        )
