"""Numbers that stand for "no measurement", such as -9999 or 0: one exact value, again and again.

Pixels of a sky have noise, so hardly two are exactly the same, and none lies far below the sky.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.imaging import BANDS

__all__ = ["Repeated", "repeated_values", "sentinel_problems"]

LOWEST_OVER_NOISE = -100.0
"""Below the sky, in its noise; a pixel of a whole sky is not found below -10."""

HIGHEST_OVER_NOISE = 5.0
"""Above the sky, in its noise: beyond it, one value in many pixels may be a saturated star."""

HUGE_OR_ABOVE = 9998.0
"""Size of a value, in the unit of the file, that is suspect on either side: a pixel of mag 12.5."""

NINES = (99.0, 999.0)
"""Smaller ones that are in use, on either side: where a whole band is -999, so is its sky. Any
other above the sky may be a saturated or clipped pixel."""

ROUNDING = 1e-6
"""Relative, of 32 bits and a conversion of the unit."""

FEWEST_PIXELS = 8
"""In which a value is found at the least."""

FEWEST_PER_STAMP = 4
"""Pixels of a value in the sky, for each stamp that has any: a normalisation leaves one in each."""

FEWEST_ABOVE = 100
"""The same of a value above the sky: fewer may be a saturated star."""

OFTENER, NEIGHBOURS = 10.0, 4
"""A value in the sky is suspect where it is that many times as frequent as the next values below
and above it: of pixels that are rounded, all are frequent."""


@dataclass(frozen=True)
class Repeated:
    """A suspect value in one band of a block of stamps: how many pixels, and which rows.

    is_floor : it lies in the sky, and no pixel is below.
    """

    value: float
    band: int
    n_pixels: int
    rows: NDArray[np.int64]
    is_floor: bool


@np.errstate(invalid="ignore", over="ignore")  # damaged bytes may be signalling NaNs
def repeated_values(
    images: NDArray[np.float32],
    rows: NDArray[np.int64],
    *,
    gain: Sequence[float],
    level: Sequence[float],
) -> list[Repeated]:
    """Find suspect values of stamps (n, 32, 32, 5), each in two pixels at the least.

    Parameters
    ----------
    rows : (n,) numbers of the stamps.
    gain, level : of each band, as in `RawFile`; values are given as they are stored.
    """
    repeated = []
    for band in range(len(BANDS)):
        pixels = images[..., band].reshape(len(images), -1)
        present = np.any(np.nan_to_num(pixels) != 0, axis=1)
        stored = ((pixels[present] - np.float64(level[band])) / gain[band]).astype(np.float32)
        there = stored[np.isfinite(stored)]
        if not there.size:
            continue
        sky = float(np.median(there))
        # 1.4826: MAD of a normal distribution -> its sigma; nothing lies below a sky without noise
        noise = float(1.4826 * np.median(np.abs(there - sky))) or np.inf
        levels, counts = np.unique(there, return_counts=True)
        extreme, frequent = _extreme(levels, sky, noise), _frequent(levels, counts)
        for k in np.flatnonzero((extreme | frequent) & (counts >= 2)):
            value = float(levels[k]) + 0.0  # no -0
            holders = rows[present][np.any(stored == levels[k], axis=1)]
            above = value > sky + HIGHEST_OVER_NOISE * noise
            fewest = (FEWEST_ABOVE if above else FEWEST_PER_STAMP) * len(holders)
            if not extreme[k] and counts[k] < fewest:
                continue
            is_floor = bool(k == 0) and not above and value > sky - HIGHEST_OVER_NOISE * noise
            repeated.append(Repeated(value, band, int(counts[k]), holders, is_floor))
    return repeated


def _extreme(levels: NDArray[np.float32], sky: float, noise: float) -> NDArray[np.bool_]:
    """Which values of one band, as they are stored, are far outside of a sky."""
    low = np.asarray(levels < max(sky + LOWEST_OVER_NOISE * noise, -HUGE_OR_ABOVE))
    other = levels >= HUGE_OR_ABOVE
    for number in NINES:
        other |= np.abs(np.abs(levels) - number) <= number * ROUNDING
    if _are_counts(levels[~(low | other)]):
        other[:] = False  # of counts, any bright one may occur often
    return low | other


def _frequent(levels: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which values are much more frequent than those next to them."""
    frequent = np.zeros(len(levels), np.bool_)
    for k in np.flatnonzero(counts >= FEWEST_PIXELS).tolist():
        below, above = counts[max(k - NEIGHBOURS, 0) : k], counts[k + 1 : k + NEIGHBOURS + 1]
        around = np.concatenate([below, above])
        frequent[k] = not around.size or counts[k] >= OFTENER * np.median(around)
    if frequent.any() and _are_counts(levels[~frequent]):
        frequent[:] = False
    return frequent


def _are_counts(values: NDArray[np.float32]) -> bool:
    whole = np.abs(values - np.rint(values)) <= ROUNDING * np.abs(values)
    return bool(values.size and whole.all())


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
        seen = (
            f"{n_pixels} pixels are exactly {number}, in {len(rows)} of {n} galaxies (bands "
            f"{bands}, first in row {rows[0]})"
        )
        if all(one.is_floor for one in same):
            yield (
                f"{seen}, and none is below: what lies below {number} was cut off; expected pixels "
                "as they are measured, negative ones of the sky among them"
            )
        else:
            yield (
                f"{seen}, far more than a sky gives: a number for masked pixels; they are to be "
                f"NaN (pix2z makes them so, given ingest.hdf5.masked_value: {number})"
            )
