"""Where a user looks: a list of positions, or a box on the sky."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.sdss_list import read_table
from pix2z.errors import InputError
from pix2z.hdf5 import plain

__all__ = ["Box", "read_positions"]

IDS = ("object_id", "objid", "id")
"""Columns of a list that are taken as ids, the first that is there."""

LARGEST_ID = 2**63 - 1

WIDEST_OVER_0H = 180
"""Degrees: a wider box was meant the other way round."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """Right ascensions and declinations in degrees; one that goes over 0 h begins above its end."""

    ra: tuple[float, float]
    dec: tuple[float, float]

    @classmethod
    def parse(cls, text: str) -> "Box":
        """Read "RA,RA,DEC,DEC"; raise InputError where they are no such degrees."""
        try:
            west, east, south, north = (float(part) for part in text.split(","))
        except ValueError:
            west = east = south = north = math.nan
        if not (0 <= west <= 360 and 0 <= east <= 360 and -90 <= south < north <= 90):
            raise InputError(
                f"--box: expected RA,RA,DEC,DEC in degrees, DEC rising; received {plain(text)!r}"
            )
        if west > east and (width := 360 - west + east) > WIDEST_OVER_0H:
            raise InputError(
                f"--box: expected RA rising, or over 0 h by at most {WIDEST_OVER_0H} degrees; "
                f"received {plain(text)!r}, {width:g} degrees"
            )
        return cls((west, east), (south, north))

    def holds(self, ra: Array, dec: Array) -> NDArray[np.bool_]:
        """Whether positions (N,) lie in the box."""
        first, last = self.ra
        after, before = ra >= first, ra <= last
        across = after & before if first <= last else after | before
        return np.asarray(across & (dec >= self.dec[0]) & (dec <= self.dec[1]))


def read_positions(path: str | Path) -> tuple[Array, Array, NDArray[np.int64]]:
    """RA, Dec in degrees and ids of a list in CSV; without ids its rows are numbered from 1.

    Raises InputError naming the row that is no position, or whose id is no whole number.
    """
    names, rows = read_table(Path(path), once=("ra", "dec", *IDS))
    for name in ("ra", "dec"):
        if name not in names:
            raise InputError(f"{path}: column {name} missing; expected ra and dec in degrees")
    if not rows:
        raise InputError(f"{path}: expected rows below the header; has none")
    ids = next((name for name in IDS if name in names), None)
    ra, dec, object_id = [], [], []
    for number, values in enumerate(rows, start=1):
        row = dict(zip(names, values, strict=True))
        try:
            ra.append(float(row["ra"]))
            dec.append(float(row["dec"]))
            object_id.append(int(row[ids]) if ids else number)
        except ValueError as error:
            raise InputError(f"{path}: row {number}: {plain(str(error))}") from error
        if not (0 <= ra[-1] <= 360 and -90 <= dec[-1] <= 90):
            raise InputError(
                f"{path}: row {number}: expected ra of 0 to 360 and dec of -90 to 90 degrees; "
                f"received {ra[-1]:g}, {dec[-1]:g}"
            )
        if abs(object_id[-1]) > LARGEST_ID:
            raise InputError(f"{path}: row {number}: {ids} is too large: {object_id[-1]}")
    return np.array(ra), np.array(dec), np.array(object_id, np.int64)
