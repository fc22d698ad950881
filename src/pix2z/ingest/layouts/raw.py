"""What every raw layout is read into: a table of columns and stamps by range of rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["RawFile", "RawSurvey", "RawTable"]


@dataclass(frozen=True)
class RawFile:
    """One of the files of a survey."""

    path: Path
    n_rows: int


@dataclass(frozen=True)
class RawTable:
    """Everything of a raw file but its pixels; N rows, about 100 bytes each.

    Attributes
    ----------
    z_spec, z_error : (N,) float32 spectroscopic redshift and its error, NaN where there is none.
    object_id, group_id : (N,) int64; rows of one group never straddle two parts of the sample.
    ra, dec : (N,) float64 degrees, NaN where the file has no positions.
    ebv : (N,) float32 E(B-V), NaN where unknown.
    seeing : (N, 5) float32 PSF FWHM in arcsec, NaN where unknown.
    moved : (N,) uint8, 1 for a rendered stamp at another redshift than its parent's.
    z_warning : (N,) int64 ZWARNING of SDSS, None where the file has none.
    spectral_class : (N,) bytes such as b"GALAXY", None where the file has none.
    has_redshifts, has_ids, has_positions : whether the file came with them.
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
    has_redshifts: bool
    has_ids: bool
    has_positions: bool
    origin: Mapping[str, str]
    z_warning: NDArray[np.int64] | None = None
    spectral_class: NDArray[np.bytes_] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.z_spec)


@dataclass(frozen=True)
class RawSurvey:
    """An open raw file, or several as one.

    Attributes
    ----------
    path : the file, or the folder of the files.
    layout : its name.
    files : every file with its number of rows, in the order of the rows.
    source : what the survey is, in the file's own words, else its name.
    converted : what was assumed of the pixels or done to them, in words: axes, bands, unit,
        pixel scale, crop.
    read_images : ``read_images(start, stop)`` gives the stamps of those rows, (n, 32, 32, 5)
        float32 nanomaggies, bands u g r i z last; masked pixels and absent bands are NaN.
    nanomaggies : the file's unit, in nanomaggies.
    """

    path: Path
    layout: str
    files: tuple[RawFile, ...]
    source: str
    table: RawTable
    converted: Mapping[str, str]
    read_images: Callable[[int, int], NDArray[np.float32]]
    nanomaggies: float = 1.0
