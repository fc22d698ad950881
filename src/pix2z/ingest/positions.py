"""Whether right ascension and declination are degrees of galaxies all over a part of the sky.

They keep galaxies of one place in one part of the sample, so that positions in another unit, or
all alike, take the test set's independence away.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pix2z.ingest.raw import RawTable

__all__ = ["position_doubts", "position_problems"]

FEWEST = 20
"""Positions that are judged, at the least."""

LARGEST_SHARE = 0.1
"""Of positions that are exactly the same; stamps of one galaxy at other redshifts share theirs."""

TALL, TALLEST = 2.5, 30.0
"""Hours of right ascension span a fifteenth of their degrees: a survey that is that many times as
high as it is wide, and at least 30 degrees high, is no usual one."""

NEAR_0_H, EMPTY_HOURS = 1.0, 6.0
"""Right ascensions within an hour of 0 and of 24, with such a gap between, are around 0 h."""

UNIT = "their unit (attribute 'unit' in HDF5, TUNIT in FITS) can say which (hourangle, rad, deg)"


def position_problems(table: RawTable) -> Iterator[str]:
    """Yield what makes positions implausible as degrees; nothing where the file says their unit."""
    ra, dec = _judged(table)
    if not len(ra):
        return
    where = table.origin["position"]
    advice = (
        f"{UNIT}, or they can be left unread: by -m ra=null -m dec=null, or in params.yaml by a "
        "layout of your own (hdf5, fits, npz or npy) whose ingest.hdf5 has no ra and dec"
    )
    if np.ptp(ra) == 0:
        yield f"positions ({where}): the right ascension of all {len(ra)} is {ra[0]:g}; {advice}"
        return
    places, counts = np.unique(ra + 1j * dec, return_counts=True)
    if counts.max() >= max(FEWEST, LARGEST_SHARE * len(ra)):
        place = places[counts.argmax()]
        yield (
            f"positions ({where}): {counts.max()} of {len(ra)} are exactly {place.real:g}, "
            f"{place.imag:g}, a sign for none; {advice}"
        )
        return
    if ra.min() < 0:
        return
    width, height = np.ptp(ra), np.ptp(dec)
    around_0_h = ra.min() < NEAR_0_H and ra.max() > 24 - NEAR_0_H
    around_0_h &= bool(np.diff(np.sort(ra)).max() > EMPTY_HOURS)
    if ra.max() < 24 and (height > max(TALL * width, TALLEST) or around_0_h):
        yield (
            f"positions ({where}): right ascension from {ra.min():.3g} to {ra.max():.3g}, "
            f"declination over {height:.0f} degrees, as in hours or radians; {advice}"
        )


def position_doubts(table: RawTable) -> Iterator[str]:
    """Yield what may be another unit, but also a small field in degrees."""
    ra, dec = _judged(table)
    if not len(ra) or ra.min() < 0 or np.ptp(ra) <= 1:
        return
    if ra.max() <= 2 * np.pi and np.abs(dec).max() <= np.pi / 2:
        where = table.origin["position"]
        yield f"positions ({where}): all within 2 pi and pi / 2, taken as degrees; {UNIT}"


def _judged(table: RawTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions that are known; none where they are few, or the file says their unit."""
    known = np.isfinite(table.ra) & np.isfinite(table.dec)
    known &= known.sum() >= FEWEST and not table.has_unit_of_positions
    return table.ra[known], table.dec[known]
