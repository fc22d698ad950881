"""What the header of a FITS image says of it: band, unit, pixel scale and place on the sky."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.hdf5 import plain
from pix2z.imaging import BANDS
from pix2z.ingest.resampling import SAME_SCALE

__all__ = ["Header", "agreed", "as_said", "band_in", "read_header"]

BAND_CARDS = ("EXTNAME", "FILTER", "BAND", "FILTNAM")
"""Cards that may name the band of an image."""

BANDS_CARDS = ("BANDS", "FILTERS")
"""Cards that may list the bands of a cube."""

MOST_APART = 1.0
"""Pixels that the middles of two bands of one galaxy may be apart on the sky."""


@dataclass(frozen=True)
class Header:
    """What an image says of itself; None where it does not.

    band : of an image of one band. bands : of a cube, in its order.
    unit : of the pixels. pixel_scale : arcsec, of the WCS.
    middle : RA and Dec of the geometric centre in degrees, of the WCS.
    """

    name: str
    band: str | None
    bands: str | None
    unit: str | None
    pixel_scale: float | None
    middle: tuple[float, float] | None


def read_header(name: str, header: fits.Header, primary: fits.Header) -> Header:
    """Read what a header says.

    Parameters
    ----------
    name : file and HDU, for messages.
    primary : header of the file's first HDU, whose unit holds for all others that say none.
    """
    bands = _text(header, *BANDS_CARDS) or _text(primary, *BANDS_CARDS)
    scale, middle = _on_the_sky(name, header)
    return Header(
        name=name,
        band=next((b for card in BAND_CARDS if (b := band_in(_text(header, card) or ""))), None),
        bands=None if bands is None else re.sub(r"[^A-Za-z]", "", bands),
        unit=_text(header, "BUNIT") or _text(primary, "BUNIT"),
        pixel_scale=scale,
        middle=middle,
    )


def band_in(text: str) -> str | None:
    """Return the band that a text names by a letter alone, as in "SDSS-g", "r.MP9602", "zband"."""
    bare = re.sub("sdss|band|filter|image", " ", text.lower())
    words = [word for word in re.split(r"[^a-z0-9]+", bare) if word in set(BANDS)]
    return words[0] if len(words) == 1 else None


def _text(header: fits.Header, *cards: str) -> str | None:
    for card in cards:
        if isinstance(value := header.get(card), str) and plain(value):
            return plain(value)
    return None


def _on_the_sky(name: str, header: fits.Header) -> tuple[float | None, tuple[float, float] | None]:
    """Pixel scale and middle of an image; None without a WCS of RA and Dec on its last two axes."""
    if {str(header.get(f"CTYPE{axis}", ""))[:3] for axis in (1, 2)} != {"RA-", "DEC"}:
        return None, None
    wcs = WCS(header, naxis=2)
    scales = proj_plane_pixel_scales(wcs) * 3600
    if abs(scales[0] / scales[1] - 1) > SAME_SCALE:
        raise InputError(
            f"{name}: expected square pixels; the WCS says {scales[0]:g} x {scales[1]:g} arcsec"
        )
    place = wcs.all_pix2world([[(header["NAXIS1"] - 1) / 2, (header["NAXIS2"] - 1) / 2]], 0)[0]
    return float(scales.mean()), (float(place[wcs.wcs.lng]), float(place[wcs.wcs.lat]))


def agreed(headers: Sequence[Header]) -> Header:
    """Return what all bands of one file say together.

    Raises
    ------
    InputError
        They differ in unit or pixel scale, or are of different places on the sky.
    """
    first = headers[0]
    for other in headers[1:]:
        if other.unit != first.unit:
            raise InputError(
                f"{other.name}: expected one unit in all bands; BUNIT is {other.unit!r}, in "
                f"{first.name} {first.unit!r}"
            )
        if not _same(other.pixel_scale, first.pixel_scale):
            raise InputError(
                f"{other.name}: expected one pixel scale in all bands; the WCS says "
                f"{other.pixel_scale} arcsec, in {first.name} {first.pixel_scale}"
            )
        if _apart(first, other) > MOST_APART:
            raise InputError(
                f"{other.name}: expected all bands cut at one position; its middle is "
                f"{_apart(first, other):.1f} pixels from that of {first.name}"
            )
    return first


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one == other
    return abs(one / other - 1) <= SAME_SCALE


def _apart(one: Header, other: Header) -> float:
    """Pixels between the middles of two bands."""
    if one.middle is None or other.middle is None or one.pixel_scale is None:
        return 0.0
    (ra, dec), (other_ra, other_dec) = one.middle, other.middle
    across = ((ra - other_ra + 180) % 360 - 180) * np.cos(np.deg2rad(dec))
    return float(np.hypot(across, dec - other_dec) * 3600 / one.pixel_scale)


def as_said(
    mapping: Hdf5Mapping, path: Path, *, bands: str | None, pixel_scale: float | None
) -> Hdf5Mapping:
    """Return the mapping with the bands and the pixel scale that a file says.

    Raises
    ------
    InputError
        The mapping has others, which are not its defaults.
    """
    usual = Hdf5Mapping()
    said: dict[str, str | float] = {}
    if bands is not None:
        if not set(bands) <= set(BANDS) or len(set(bands)) < len(bands):
            raise InputError(f"{path}: expected bands of {BANDS}; the file says {plain(bands)!r}")
        if mapping.bands not in (bands, usual.bands):
            raise InputError(
                f"{path}: the file says bands {bands!r}, which contradicts the bands given, "
                f"{mapping.bands!r}"
            )
        said["bands"] = bands
    if pixel_scale is not None:
        if mapping.pixel_scale != usual.pixel_scale and not _same(pixel_scale, mapping.pixel_scale):
            raise InputError(
                f"{path}: the WCS says {pixel_scale:g} arcsec a pixel, which contradicts the pixel "
                f"scale given, {mapping.pixel_scale:g}"
            )
        said["pixel_scale"] = pixel_scale
    return mapping.model_copy(update=said)
