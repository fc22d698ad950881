"""What holds of the pixels of a file: what the user gives, else what the file says.

Where they contradict each other, or the file says something that cannot be read, the file is
refused in one line that names both.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pix2z.errors import InputError
from pix2z.imaging import BANDS
from pix2z.imaging.names import PER_BAND
from pix2z.said.claims import Claim, Said, band_in, numbers

__all__ = [
    "SAME_SCALE",
    "agreed",
    "bands_of",
    "of_all_bands",
    "pixel_scale_of",
    "same",
    "stored_as",
]

SAME = 1e-3
"""Relative difference up to which two numbers that a file says are the same."""

SAME_SCALE = 0.01
"""The same of pixel scales: that of SDSS varies by 0.1 %; it is 0.3 pixels over a stamp."""

T = TypeVar("T")


def agreed(
    given: T | None,
    said: Sequence[Claim],
    read: Callable[[Claim], T | None],
    alike: Callable[[T, T], bool],
    *,
    path: str | Path,
    expected: str,
    given_as: str = "",
) -> tuple[T | None, str]:
    """Return what is given, else what is said, else None; and where it is said, for words.

    Parameters
    ----------
    read : value of a claim, None where it cannot be read: then nothing but what is given helps.
    alike : whether two values are the same.
    expected : what a claim is expected to be.
    given_as : what is given, in words.
    """
    value, by = given, ""
    for claim in said:
        one = read(claim)
        if one is None and given is None:
            raise InputError(f"{path}: {claim}: expected {expected}")
        if one is not None and value is not None and not alike(one, value):
            other = by or f"what is given, {given_as or value}"
            raise InputError(f"{path}: {claim} contradicts {other}")
        if value is None:
            value, by = one, str(claim.where)
    return value, f", as {by} says" if by else ""


def bands_of(
    said: Said, path: str | Path, *, given: str | None, otherwise: str = BANDS
) -> tuple[str, str]:
    """Return the bands of the pixels in their order, such as "zirgu", and in words whose it is.

    otherwise : bands where nothing says any.
    """
    bands, says = agreed(
        given,
        [claim for claim in said.of("bands") if not _is_a_count(claim)],
        _bands,
        lambda one, other: one == other,
        path=path,
        expected=f"letters of {BANDS}, each at most once, or ingest.hdf5.bands",
    )
    return bands or otherwise, says


def pixel_scale_of(
    said: Said, path: str | Path, *, given: float | None, given_as: str = ""
) -> tuple[float | None, str]:
    """Return arcsec per pixel, None where nothing is said, and in words who says so."""
    return agreed(
        given,
        said.of("pixel_scale", "pixel_degrees"),
        _arcsec,
        partial(same, within=SAME_SCALE),
        path=path,
        expected="arcsec per pixel, the same along both sides, or ingest.hdf5.pixel_scale",
        given_as=given_as,
    )


def stored_as(said: Said, path: str | Path) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Return scale and offset of stored numbers, one or one per band, and in words who says so.

    The values are ``scale * stored + offset``.
    """
    found, words = [], ""
    for what, neutral, does in (("scale", 1.0, "times"), ("offset", 0.0, "plus")):
        values, says = agreed(
            None,
            said.of(what),
            lambda claim: numbers(claim.values, above=0.0 if claim.what == "scale" else -math.inf),
            same,
            path=path,
            expected="a number above 0" if what == "scale" else "a number",
        )
        found.append(values or (neutral,))
        if found[-1] != (neutral,):
            listed = ", ".join(f"{value:g}" for value in found[-1])
            words += f"{'; ' if words else ''}{does} {listed}{says}"
    return found[0], found[1], words


def of_all_bands(said: Said, bands: str, path: str | Path) -> Said:
    """Join what is said of one band each, as in ``zp_u``, for the bands of the pixels.

    A unit of z alone is taken for that of redshifts. Raises InputError where bands are left out.
    """
    joined = []
    for what in PER_BAND:
        each = {claim.band: claim for claim in said.claims if claim.what == what and claim.band}
        if not each or (what == "unit" and set(each) == {"z"}):
            continue
        first = next(iter(each.values()))
        if missing := set(bands) - set(each):
            names = " ".join(band for band in BANDS if band in missing)
            raise InputError(f"{path}: {first}: expected the same of the bands {names}")
        values = [each[band].values for band in bands]
        joined_values = tuple(one[0] for one in values if one) if all(values) else None
        joined.append(Claim(what, f"{first.where} and of other bands", joined_values))
    return replace(said, claims=(*said.claims, *joined))


def same(one: Any, other: Any, *, within: float = SAME) -> bool:
    """Whether two numbers, or two rows of them, differ by no more than a part of them."""
    first, second = (value if isinstance(value, tuple) else (value,) for value in (one, other))
    if 1 in (len(first), len(second)):
        length = max(len(first), len(second))
        first, second = (row * length if len(row) == 1 else row for row in (first, second))
    return len(first) == len(second) and all(
        math.isclose(a, b, rel_tol=within) for a, b in zip(first, second, strict=True)
    )


def _is_a_count(claim: Claim) -> bool:
    """Whether an attribute says how many bands there are, not which."""
    return claim.values is not None and len(claim.values) == 1 and type(claim.values[0]) is int


def _bands(claim: Claim) -> str | None:
    """Letters of "ugriz", "u, g, r, i, z", ["SDSS_u", "SDSS_g"] and the like."""
    text = " ".join(str(value) for value in claim.values or ())
    text = re.sub(r"sdss|sloan|bands?|filters?", " ", text, flags=re.IGNORECASE)
    words = re.findall(r"[A-Za-z0-9]+", text)
    letters = "".join(words) if len(words) == 1 or all(len(w) == 1 for w in words) else ""
    if sorted(letters.lower()) == sorted(BANDS):
        letters = letters.lower()  # alone, R and I are filters of another system
    if not letters:
        letters = "".join(band_in(str(value)) or "?" for value in claim.values or ())
    known = letters and set(letters) <= set(BANDS) and len(set(letters)) == len(letters)
    return letters if known else None


def _arcsec(claim: Claim) -> float | None:
    """Arcsec per pixel of 0.2, "0.2 arcsec / pix" and the like."""
    values = claim.values or ()
    read = numbers([abs(v) if isinstance(v, int | float) else v for v in values], then="[^0-9].*")
    if read is None or len(read) > 1 or read[0] <= 0:
        return None
    if claim.what == "pixel_degrees":
        return read[0] * 3600
    unit = re.sub(r"^[-+0-9.eE]+\s*", "", str(values[0]).strip())
    unit = re.sub(r"\s*(/|per)\s*pix(el)?s?$", "", unit.replace('"', "arcsec")).strip()
    if unit in ("", "arcsec"):
        return read[0]
    from astropy import units  # half of a second, for units that are spelled out

    try:
        return float((read[0] * units.Unit(unit)).to_value(units.arcsec))
    except (ValueError, TypeError):
        return None
