"""SDSS corrected frames -> stamps: each band through its own WCS, aligned to a fraction of a pixel.

A corrected frame (``frame-[ugriz]-RRRRRR-C-FFFF.fits[.bz2]``) holds sky-subtracted nanomaggies in
its primary HDU, 1489 x 2048, with a TAN projection; the five bands are shifted against each other
by up to 12 pixels. What a header says (`said`) is held to that: another flux unit is converted,
counts, another pixel scale, another band or other coordinates are refused.
"""

import bz2
import re
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import FK5
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame
from numpy.typing import NDArray
from scipy.ndimage import fourier_shift
from scipy.sparse.linalg import LinearOperator, cg

from pix2z.archive.sdss_list import Field
from pix2z.errors import InputError
from pix2z.fits import FITS_DAMAGE
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.said.agreement import SAME_SCALE, bands_of
from pix2z.said.claims import header_said
from pix2z.said.units import flux_of

__all__ = [
    "Frame",
    "cut_stamps",
    "place_in_header",
    "place_in_name",
    "read_frame",
    "read_frames",
    "read_unsorted",
]

FRAME_NAME = re.compile(r"frame-([ugriz])-(\d{6}-[1-6]-\d{4})\.fits(?:\.bz2)?")

FRAMES_LATER = {"r": 0, "i": 2, "u": 4, "z": 6, "g": 8}
"""By how much the card FRAME exceeds the number of the field: the sky drifts over one CCD after the
other, r first, while frames are counted on."""

UNPACKERS = 2
"""Threads that unpack frames; the five of a field take some seconds of a processor."""

LARGEST_FRAME = 2**28
"""Bytes, unpacked; SDSS's have 12 million."""

CHUNK = 2**20

MARGIN = 16
"""Pixels around a stamp that are shifted with it, so that its far side does not wrap around."""

FINEST = 0.44
"""Cycles per pixel; seeing of 1.2 arcsec leaves less than 1 % of a star's flux beyond."""

MOST_STEPS = 12
"""Of the conjugate gradients that find a fill: enough for a few pixels, and too few to make
something of the inside of a large hole, of which the pixels around it say nothing."""

LARGEST_SHARE = 0.2
"""Of masked pixels in a shifted one that still counts as measured."""

LOWEST_OVER_NOISE = -100.0
"""Below the sky, in its noise: what lies lower stands for "no measurement", as -9999 does. No pixel
of the 20 frames of four real fields is below -6."""

SPARSE = slice(None, None, 8)
"""Of rows and columns: as many pixels as say what sky and noise are."""


@dataclass(frozen=True)
class Frame:
    """One band of one field: pixels (rows, columns) in nanomaggies, and their place on the sky.

    band : a letter of ugriz, "" where nobody says. run : SDSS's run and camera column, as "94-1".
    """

    path: Path
    pixels: NDArray[np.float32]
    wcs: WCS
    band: str = ""
    run: str = ""


def read_frame(path: str | Path) -> Frame:
    """Read a corrected frame; raise InputError naming the file where it is not one."""
    return _parsed(path, _unpacked(path))


def read_frames(paths: Mapping[str, Path]) -> dict[str, Frame]:
    """Read the frames of several bands, two at a time: unpacking one takes about a second.

    paths : band -> file. Raises InputError as `read_frame` does, and where a frame is of another
    band than it is taken for.
    """
    return dict(zip(paths, _read_all(list(paths.values()), list(paths)), strict=True))


def read_unsorted(paths: Sequence[Path]) -> list[Frame]:
    """Read frames as `read_frames` does, each of the band that its header names."""
    return _read_all(paths, [None] * len(paths))


def place_in_name(path: str | Path) -> tuple[str, str]:
    """Return field, as "000094-1-0012", and band of a frame named as by SDSS; else both empty."""
    match = FRAME_NAME.fullmatch(Path(path).name)
    return (match[2], match[1]) if match else ("", "")


def place_in_header(header: fits.Header) -> tuple[str, str]:
    """Return the same by the cards RUN, CAMCOL, FRAME and FILTER."""
    try:
        band = str(header["FILTER"]).strip()
        run, camcol, number = (int(header[card]) for card in ("RUN", "CAMCOL", "FRAME"))
        return str(Field(0, run, camcol, number - FRAMES_LATER[band])), band
    except (KeyError, TypeError, ValueError):
        return "", ""


def _read_all(paths: Sequence[Path], bands: Sequence[str | None]) -> list[Frame]:
    with ThreadPoolExecutor(UNPACKERS) as unpackers:
        contents = unpackers.map(_unpacked, paths)
        return [_parsed(*one) for one in zip(paths, contents, bands, strict=True)]


def _unpacked(path: str | Path) -> bytes:
    """Bytes of a frame, unpacked where it ends in .bz2.

    In one go: astropy, left alone with a bz2 file, goes back in it and unpacks it twice.
    """
    content = bytearray()
    try:
        with bz2.open(path) if str(path).endswith(".bz2") else Path(path).open("rb") as file:
            while chunk := file.read(CHUNK):
                content += chunk
                if len(content) > LARGEST_FRAME:
                    raise OSError(f"more than {LARGEST_FRAME} bytes when unpacked")
    except (OSError, EOFError) as error:
        raise _no_frame(path, error) from error
    return bytes(content)


def _parsed(path: str | Path, content: bytes, band: str | None = None) -> Frame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # what is wrong ends in an error below
        try:
            with fits.open(BytesIO(content), memmap=False) as hdus:
                header, pixels = hdus[0].header, hdus[0].data
            if pixels is None or pixels.ndim != 2:
                raise InputError(f"{path}: expected an image in the primary HDU")
            if not str(header.get("CTYPE1", "")).startswith("RA"):
                raise InputError(f"{path}: header has no celestial WCS with RA first (CTYPE1)")
            named, held = place_in_name(path), place_in_header(header)
            if named[0] and held[0] and named != held:
                raise InputError(
                    f"{path}: is the {held[1]} frame of field {held[0]} by its header (FILTER, "
                    "RUN, CAMCOL, FRAME), which contradicts its name"
                )
            wcs = WCS(header)
            factor, said = _checked(path, header, wcs, band)
            run = "-".join(str(header[card]) for card in ("RUN", "CAMCOL") if card in header)
            return Frame(Path(path), _measured(pixels) * factor, wcs, said, run)
        except FITS_DAMAGE as error:
            raise _no_frame(path, error) from error


def _checked(
    path: str | Path, header: fits.Header, wcs: WCS, band: str | None
) -> tuple[np.float32, str]:
    """Nanomaggies in the frame's unit, and its band, "" where nobody says.

    Raises InputError where its header tells of no such frame.
    """
    said = header_said(header)
    factor, _ = flux_of(said, path, assumed=True)
    # Corrected frames still name the bias of the counts that they were made of.
    if header.get("SOFTBIAS") and not said.of("unit", "zero_point"):
        raise InputError(
            f"{path}: SOFTBIAS {header['SOFTBIAS']!r} without BUNIT: expected a corrected frame, "
            "in nanomaggies; received counts"
        )
    bands, _ = bands_of(said, path, given=band)
    try:
        sky = wcs_to_celestial_frame(wcs)
    except ValueError:  # astropy knows no such system
        sky = None
    if sky is None or (sky.name != "icrs" and not sky.is_equivalent_frame(FK5())):
        raise InputError(
            f"{path}: expected coordinates in ICRS, or FK5 of 2000; received, by its WCS (RADESYS, "
            f"EQUINOX), {wcs.wcs.radesys} of {wcs.wcs.equinox:g}"
        )
    scales = proj_plane_pixel_scales(wcs) * 3600
    if np.abs(scales / PIXEL_SCALE - 1).max() > SAME_SCALE:
        raise InputError(
            f"{path}: expected pixels of {PIXEL_SCALE} arcsec; received, by its WCS (CD or CDELT), "
            f"{scales[0]:.3g} x {scales[1]:.3g}"
        )
    return np.float32(factor[0]), bands if len(bands) == 1 else ""


@np.errstate(invalid="ignore", over="ignore")  # damaged bytes may be signalling NaNs
def _measured(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels, NaN where one is so far below the sky that it is no measurement."""
    values = np.array(pixels, np.float32)
    some = values[SPARSE, SPARSE]
    there = some[np.isfinite(some)]
    if not there.size:
        return values
    sky = np.median(there)
    # 1.4826: MAD of a normal distribution -> its sigma; nothing lies below a sky without noise
    noise = 1.4826 * np.median(np.abs(there - sky)) or np.inf
    values[values < sky + LOWEST_OVER_NOISE * noise] = np.nan
    return values


def _no_frame(path: str | Path, error: Exception) -> InputError:
    return InputError(f"{path}: not a FITS frame ({' '.join(str(error).split())})")


def cut_stamps(frames: Mapping[str, Frame], *, ra: float, dec: float) -> NDArray[np.float32]:
    """Cut one galaxy out of the frames of one field, (32, 32, 5) nanomaggies, bands ugriz.

    The position lies at the stamp's geometric centre, (15.5, 15.5), in every band: pixels are
    shifted by a fraction of a pixel in Fourier space, which leaves the noise of the sky as it is.
    Pixels off a frame, and bands without one, are NaN; so are those that a masked
    pixel (NaN or infinite) of the frame has a large share in.

    Raises
    ------
    InputError
        The position is outside every frame.
    """
    side = STAMP_SIDE
    stamp = np.full((side, side, len(BANDS)), np.nan, np.float32)
    inside = False
    for index, band in enumerate(BANDS):
        if band not in frames:
            continue
        frame = frames[band]
        column, row = (float(v) for v in frame.wcs.all_world2pix(ra, dec, 0))
        rows, columns = frame.pixels.shape
        if not (-side < row < rows + side and -side < column < columns + side):
            continue  # also where the projection gives NaN
        inside |= 0 <= row < rows and 0 <= column < columns
        stamp[..., index] = _cut(frame.pixels, row, column)
    if not inside:
        names = ", ".join(str(frame.path) for frame in frames.values())
        raise InputError(f"position {ra:.5f}, {dec:+.5f} is outside {names}")
    return stamp


def _cut(pixels: NDArray[np.float32], row: float, column: float) -> NDArray[np.float64]:
    """Cut (32, 32) pixels about a position, NaN off the frame and where it is masked."""
    size = STAMP_SIDE + 2 * MARGIN
    window = Cutout2D(pixels, (column, row), size, mode="partial", fill_value=np.nan)
    stored = window.data.astype(np.float64)
    off = np.ones(stored.shape, np.bool_)
    off[window.slices_cutout] = False
    masked = ~np.isfinite(stored) & ~off
    x, y = window.input_position_cutout
    shift = [(size - 1) / 2 - y, (size - 1) / 2 - x]
    shifted = _shifted(_filled(np.where(off, 0.0, stored), masked), shift)
    if masked.any():
        shifted[masked | (_shifted(masked, shift) > LARGEST_SHARE)] = np.nan
    shifted[off] = np.nan
    return shifted[MARGIN:-MARGIN, MARGIN:-MARGIN]


def _shifted(pixels: NDArray[Any], shift: list[float]) -> NDArray[np.float64]:
    """Pixels moved by (rows, columns) in Fourier space."""
    return np.asarray(np.fft.ifft2(fourier_shift(np.fft.fft2(pixels), shift)).real)


def _filled(stored: NDArray[np.float64], masked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Masked pixels filled so that the image has the least power beyond `FINEST`.

    A seeing-limited image has hardly any there (Papoulis 1975, Gerchberg 1974). Any other value,
    such as 0 at the core of a galaxy, would ring through its neighbours when it is shifted.
    """
    filled = np.where(masked, 0.0, stored)
    if not masked.any():
        return filled
    rows, columns = (np.fft.fftfreq(side) for side in stored.shape)
    fine = np.hypot(rows[:, None], columns[None, :]) > FINEST

    def fine_part(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.fft.ifft2(np.fft.fft2(image) * fine).real[masked])

    def of_fill(values: NDArray[np.float64]) -> NDArray[np.float64]:
        image = np.zeros(stored.shape)
        image[masked] = values.ravel()
        return fine_part(image)

    n = int(masked.sum())
    filled[masked], _ = cg(
        LinearOperator((n, n), matvec=of_fill, dtype=np.float64),
        -fine_part(filled),
        rtol=1e-4,
        maxiter=MOST_STEPS,
    )
    return filled
