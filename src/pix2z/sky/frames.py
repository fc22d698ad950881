"""SDSS corrected frames -> stamps: each band through its own WCS, aligned to a fraction of a pixel.

A corrected frame (``frame-[ugriz]-RRRRRR-C-FFFF.fits[.bz2]``) holds sky-subtracted nanomaggies in
its primary HDU, 1489 x 2048, with a TAN projection; the five bands are shifted against each other
by up to 12 pixels.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from pix2z.errors import InputError
from pix2z.sky.imaging import BANDS, STAMP_SIDE

__all__ = ["Frame", "cut_stamps", "read_frame"]


@dataclass(frozen=True)
class Frame:
    """One band of one field: pixels (rows, columns) in nanomaggies, and their place on the sky."""

    path: Path
    pixels: NDArray[np.float32]
    wcs: WCS


def read_frame(path: str | Path) -> Frame:
    """Read a corrected frame; raise InputError naming the file where it is not one."""
    try:
        with fits.open(path, memmap=False) as hdus:
            header, pixels = hdus[0].header, hdus[0].data
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: not a FITS frame ({' '.join(str(error).split())})") from error
    if pixels is None or pixels.ndim != 2:
        raise InputError(f"{path}: expected an image in the primary HDU")
    if not str(header.get("CTYPE1", "")).startswith(("RA", "DEC")):
        raise InputError(f"{path}: header has no celestial WCS (CTYPE1)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return Frame(Path(path), np.asarray(pixels, np.float32), WCS(header))


def cut_stamps(
    frames: Mapping[str, Frame], *, ra: float, dec: float, side: int = STAMP_SIDE
) -> NDArray[np.float32]:
    """Cut one galaxy out of the frames of one field, (side, side, 5) nanomaggies, bands ugriz.

    The position lies at the stamp's geometric centre, ((side - 1) / 2, (side - 1) / 2), in every
    band: pixels are interpolated by a cubic spline. Pixels off a frame, and bands without one, are
    NaN.

    Raises
    ------
    InputError
        The position is outside every frame.
    """
    offset = np.arange(side) - (side - 1) / 2
    stamp = np.full((side, side, len(BANDS)), np.nan, np.float32)
    inside = False
    for index, band in enumerate(BANDS):
        if band not in frames:
            continue
        frame = frames[band]
        column, row = (float(v) for v in frame.wcs.all_world2pix(ra, dec, 0))
        rows, columns = frame.pixels.shape
        inside |= 0 <= row < rows and 0 <= column < columns
        low, high = int(row) - side, int(row) + side + 1
        left, right = int(column) - side, int(column) + side + 1
        window = frame.pixels[max(low, 0) : max(high, 0), max(left, 0) : max(right, 0)]
        if not window.size:
            continue
        grid = np.meshgrid(
            row + offset - max(low, 0), column + offset - max(left, 0), indexing="ij"
        )
        stamp[..., index] = map_coordinates(window, grid, order=3, mode="constant", cval=np.nan)
    if not inside:
        names = ", ".join(str(frame.path) for frame in frames.values())
        raise InputError(f"position {ra:.5f}, {dec:+.5f} is outside {names}")
    return stamp
