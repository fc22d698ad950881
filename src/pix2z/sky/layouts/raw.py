"""What every raw layout is read into: a table of columns and stamps by range of rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["RawSurvey", "RawTable"]


@dataclass(frozen=True)
class RawTable:
    """Everything of a raw file but its pixels; N rows, about 100 bytes each.

    Attributes
    ----------
    z_spec, z_error : (N,) float32 spectroscopic redshift and its error.
    object_id, group_id : (N,) int64; rows of one group never straddle two parts of the sample.
    ra, dec : (N,) float64 degrees, NaN where the file has no positions.
    ebv : (N,) float32 E(B-V), NaN where unknown.
    seeing : (N, 5) float32 PSF FWHM in arcsec, NaN where unknown.
    moved : (N,) uint8, 1 for a rendered stamp at another redshift than its parent's.
    has_ids, has_positions : whether the file came with them.
    origin : column -> where its values came from, in words.
    """

    z_spec: NDArray[np.float32]
    z_error: NDArray[np.float32]
    object_id: NDArray[np.int64]
    group_id: NDArray[np.int64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    ebv: NDArray[np.float32]
    seeing: NDArray[np.float32]
    moved: NDArray[np.uint8]
    has_ids: bool
    has_positions: bool
    origin: Mapping[str, str]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.z_spec)


@dataclass(frozen=True)
class RawSurvey:
    """An open raw file.

    ``read_images(start, stop)`` gives the stamps of those rows, (n, 32, 32, 5) float32, bands
    u g r i z last, in the file's flux unit.
    """

    path: Path
    source: str
    table: RawTable
    read_images: Callable[[int, int], NDArray[np.float32]]
