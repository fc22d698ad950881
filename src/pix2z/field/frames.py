"""Frames, in any order, as fields: a frame in each band, all of one place and shape."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.units import arcsec, deg
from numpy.typing import NDArray

from pix2z.archive.frames import Frame, cut_stamps, read_unsorted
from pix2z.errors import InputError
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE

__all__ = ["cut_all", "open_field", "open_fields"]

Array = NDArray[np.float64]

FARTHEST = 64
"""Pixels between the middles of two bands; those of SDSS are up to 12 apart."""


def open_field(paths: Sequence[Path]) -> dict[str, Frame]:
    """Read the frames of a field; band -> frame, in the order of ugriz.

    Raises
    ------
    InputError
        A file is no frame, or names no band; a band is there twice or not at all; frames are of
        other fields, runs or shapes.
    """
    if len(paths) > len(BANDS):
        raise InputError(
            f"expected the frames of one field, one each of {' '.join(BANDS)}; received "
            f"{len(paths)} files"
        )
    return _as_field(read_unsorted(paths))


def open_fields(paths: Sequence[Path]) -> list[dict[str, Frame]]:
    """Read the frames of several fields, which are told apart by run and place; as `open_field`."""
    groups: list[list[Frame]] = []
    for frame in read_unsorted(paths):
        own = next((group for group in groups if _together(frame, group[0])), None)
        if own is None:
            groups.append([frame])
        else:
            own.append(frame)
    return [_as_field(group) for group in groups]


def cut_all(field: Mapping[str, Frame], ra: Array, dec: Array) -> NDArray[np.float32]:
    """Stamps (N, 32, 32, 5) in nanomaggies at positions (N,) in degrees."""
    stamps = np.empty((len(ra), STAMP_SIDE, STAMP_SIDE, len(BANDS)), np.float32)
    for stamp, one_ra, one_dec in zip(stamps, ra, dec, strict=True):
        stamp[:] = cut_stamps(field, ra=float(one_ra), dec=float(one_dec))
    return stamps


def _together(frame: Frame, other: Frame) -> bool:
    return frame.run == other.run and _pixels_apart(frame, other) <= FARTHEST


def _as_field(unsorted: Sequence[Frame]) -> dict[str, Frame]:
    frames: dict[str, Frame] = {}
    for frame in unsorted:
        if not frame.band:
            raise InputError(f"{frame.path}: no card FILTER says which of {BANDS} it is")
        if other := frames.get(frame.band):
            raise InputError(f"{frame.path}: band {frame.band}, as {other.path} is")
        frames[frame.band] = frame
    if missing := [band for band in BANDS if band not in frames]:
        paths = ", ".join(str(frame.path) for frame in unsorted)
        raise InputError(
            f"{paths}: expected one frame each of {' '.join(BANDS)}; none is of {' '.join(missing)}"
        )
    field = {band: frames[band] for band in BANDS}
    _check_alike(field)
    return field


def _check_alike(field: Mapping[str, Frame]) -> None:
    first = field["r"]
    for frame in field.values():
        if frame.pixels.shape != first.pixels.shape:
            raise InputError(
                f"{frame.path}: expected {_size(first)} pixels as in {first.path}; "
                f"received {_size(frame)}"
            )
        if frame.run and first.run and frame.run != first.run:
            raise InputError(
                f"{frame.path}: is of run and camera column {frame.run}, "
                f"{first.path} of {first.run}: expected one field"
            )
        pixels = _pixels_apart(frame, first)
        if not pixels <= FARTHEST:
            raise InputError(
                f"{frame.path}: its middle lies {pixels:,.0f} pixels from that of {first.path}: "
                "expected one field"
            )


def _pixels_apart(frame: Frame, other: Frame) -> float:
    """Pixels between the middles of two frames."""
    return float(_middle(frame).separation(_middle(other)).to_value(arcsec)) / PIXEL_SCALE


def _size(frame: Frame) -> str:
    rows, columns = frame.pixels.shape
    return f"{columns} x {rows}"


def _middle(frame: Frame) -> SkyCoord:
    rows, columns = frame.pixels.shape
    return SkyCoord(*frame.wcs.all_pix2world((columns - 1) / 2, (rows - 1) / 2, 0), unit=deg)
