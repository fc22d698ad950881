"""What the header of a FITS image says of it: band, unit, pixel scale and place on the sky."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from pix2z.errors import InputError
from pix2z.fits import FITS_DAMAGE
from pix2z.hdf5 import in_one_line
from pix2z.imaging.names import PER_BAND
from pix2z.said.agreement import SAME_SCALE, same
from pix2z.said.claims import Claim, Said, band_in, header_said
from pix2z.said.units import are_counts

__all__ = ["Plane", "read_plane", "said_together"]

BAND_CARDS = ("EXTNAME", "FILTER", "BAND", "FILTNAM", "FPA.FILTERID")
"""Cards that may name the band of an image."""

ONE_OF = (("unit", "zero_point", "magnitude_0_flux", "system"), ("pixel_scale", "pixel_degrees"))
"""What says the same in several ways."""

MOST_APART = 1.0
"""Pixels that the middles of two bands of one galaxy may be apart on the sky."""


@dataclass(frozen=True)
class Plane:
    """An image (HDU) of a file, and what its header says of it.

    name : file and HDU, for messages.
    band : of an image of one band, None where it does not say.
    said : the rest; the pixel scale is that of the WCS, where there is one.
    pixel_scale, middle : arcsec, and RA and Dec of the geometric centre in degrees, of the WCS.
    """

    hdu: Any
    name: str
    band: str | None
    said: Said
    pixel_scale: float | None
    middle: tuple[float, float] | None


def read_plane(name: str, hdu: Any, primary: fits.Header, *, file_name: str = "") -> Plane:
    """Read what a header says, and where it says nothing, that of the file's first HDU.

    file_name : where the image is the file's only one, whose name may tell its band.
    """
    header = hdu.header
    said = _completed(header_said(header), header_said(primary))
    scale, middle = _on_the_sky(name, header)
    if scale is None and not header_said(header).of("pixel_scale", "pixel_degrees"):
        scale, _ = _on_the_sky(name, primary)
    if scale is not None:
        rest = [one for one in said.claims if one.what not in ("pixel_scale", "pixel_degrees")]
        said = Said((*rest, Claim("pixel_scale", "the WCS", (scale,))))
    return Plane(hdu, name, _band(name, header, file_name), said, scale, middle)


def _band(name: str, header: fits.Header, file_name: str) -> str | None:
    """Band of an image, None where nothing names one; InputError where two are named."""
    texts = {f"{card} {header[card]!r}": str(header[card]) for card in BAND_CARDS if card in header}
    texts[f"the name {file_name!r}"] = file_name
    named = {words: band for words, text in texts.items() if (band := band_in(text))}
    first = next(iter(named), "")
    for words, band in named.items():
        if band != named[first]:
            raise InputError(f"{name}: {words} contradicts {first}; expected one band")
    return named.get(first)


def _completed(said: Said, first: Said) -> Said:
    """Return what an image says, and what the first HDU says of what the image does not.

    That an image is in counts leaves the first HDU to say their zero point.
    """
    own: set[str] = set()
    for claim in said.claims:
        if not are_counts(claim):
            own.update(next((ways for ways in ONE_OF if claim.what in ways), (claim.what,)))
    return Said((*said.claims, *(claim for claim in first.claims if claim.what not in own)))


def _on_the_sky(name: str, header: fits.Header) -> tuple[float | None, tuple[float, float] | None]:
    """Pixel scale and middle of an image, by a WCS on its last two axes, where there is one.

    The middle is known where the axes are RA and Dec, and the header is that of the pixels.
    """
    middle = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that astropy mends
            wcs = WCS(header, naxis=2)
            if not wcs.has_celestial:
                return None, None
            scales = proj_plane_pixel_scales(wcs) * 3600
            if wcs.wcs.lngtyp == "RA" and "NAXIS2" in header:
                pixel = [(header["NAXIS1"] - 1) / 2, (header["NAXIS2"] - 1) / 2]
                place = wcs.all_pix2world([pixel], 0)[0]
                middle = float(place[wcs.wcs.lng]), float(place[wcs.wcs.lat])
    except FITS_DAMAGE as error:
        raise InputError(f"{name}: the WCS cannot be read ({in_one_line(error)})") from error
    if abs(scales[0] - scales[1]) > SAME_SCALE * scales[1]:
        raise InputError(
            f"{name}: expected square pixels; the WCS says {scales[0]:g} x {scales[1]:g} arcsec"
        )
    return float(scales.mean()), middle


def said_together(planes: Sequence[Plane], *, bands: str | None) -> Said:
    """Return what the images of one band each, or a cube, say together.

    Units, zero points, scales and offsets that differ between the bands are those of each band.

    Parameters
    ----------
    bands : that the images are of, in their order, where each says its own.

    Raises
    ------
    InputError
        Some bands say their unit and others do not, or they differ in pixel scale or place.
    """
    first = planes[0]
    for other in planes[1:]:
        if not _same_scale(other.pixel_scale, first.pixel_scale):
            raise InputError(
                f"{other.name}: expected one pixel scale in all bands; the WCS says "
                f"{other.pixel_scale} arcsec, in {first.name} {first.pixel_scale}"
            )
        if _apart(first, other) > MOST_APART:
            raise InputError(
                f"{other.name}: expected all bands cut at one position; its middle is "
                f"{_apart(first, other):.1f} pixels from that of {first.name}"
            )
    if len(planes) == 1 and bands is None:
        return first.said
    others = [claim for plane in planes for claim in plane.said.claims]
    joined = (*PER_BAND, "bands", "exposure")
    others = [one for one in others if one.band or one.what not in joined]
    claims = list(dict.fromkeys(others))
    for what in PER_BAND:
        claims += _of_each_band(what, planes)
    exposures = [plane.said.of("exposure") for plane in planes]
    if all(exposures):  # a file may lack them: most units have no need of them
        claims.append(_joined([claims_of_one[0] for claims_of_one in exposures]))
    if bands is not None:
        claims.append(Claim("bands", "EXTNAME or FILTER", (bands,)))
    return Said(tuple(claims))


def _of_each_band(what: str, planes: Sequence[Plane]) -> list[Claim]:
    """Join what the images say of one thing, each for its band.

    Of several cards that say it the first are joined, then the next; where an image has no more of
    them, its last one.
    """
    each = [plane.said.of(what) for plane in planes]
    if not any(each):
        return []
    for plane, claims in zip(planes, each, strict=True):
        if not claims:
            other = next(claims[0] for claims in each if claims)
            raise InputError(f"{plane.name}: expected its {what}, as other bands have: {other}")
    most = max(len(claims) for claims in each)
    return [_joined([claims[min(k, len(claims) - 1)] for claims in each]) for k in range(most)]


def _joined(claims: Sequence[Claim]) -> Claim:
    """Join one claim of each band."""
    values = [claim.values for claim in claims]
    joined = tuple(value[0] for value in values if value)
    joined = joined[:1] if len(set(joined)) == 1 else joined
    return replace(claims[0], values=joined if all(values) else None)


def _same_scale(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one == other
    return same(one, other, within=SAME_SCALE)


def _apart(one: Plane, other: Plane) -> float:
    """Pixels between the middles of two bands."""
    if one.middle is None or other.middle is None or one.pixel_scale is None:
        return 0.0
    (ra, dec), (other_ra, other_dec) = one.middle, other.middle
    across = ((ra - other_ra + 180) % 360 - 180) * np.cos(np.deg2rad(dec))
    return float(np.hypot(across, dec - other_dec) * 3600 / one.pixel_scale)
