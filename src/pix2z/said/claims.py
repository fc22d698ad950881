"""What a file says of its pixels, and what becomes of it.

`UNDERSTOOD` is the one list of names for all readers: attributes of HDF5, small arrays of an npz,
cards of a FITS header. A reader turns what it finds under them into claims (`claims_in`); the other
functions find out what holds. In all of them, what the user gives comes first, then what the file
says, then what is assumed; where two of the first contradict each other, or the file says something
under one of these names that cannot be read, the file is refused in one line that names both.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from astropy import units

from pix2z.errors import InputError
from pix2z.imaging import BANDS

__all__ = [
    "NOTHING_SAID",
    "UNDERSTOOD",
    "Claim",
    "Said",
    "agreed",
    "band_in",
    "bands_of",
    "claims_in",
    "header_said",
    "numbers",
    "pixel_scale_of",
    "same",
    "stored_as",
    "what_is_called",
]

UNDERSTOOD: Mapping[str, tuple[str, ...]] = {
    "unit": (
        *("unit", "units", "bunit", "flux_unit", "flux_units", "pixel_unit", "pixel_units"),
        *("image_unit", "image_units", "data_unit", "data_units"),
    ),
    "zero_point": (
        *("zero_point", "zero_points", "zp", "zpt", "zeropt", "magzero", "magzpt", "magzp"),
        *("mag_zero_point", "zero_point_mag", "zp_mag", "ab_zero_point", "zero_point_ab", "zp_ab"),
        *("ab_zp", "photzp", "photzpt", "fpa_zp"),
    ),
    "magnitude_0_flux": ("fluxmag0",),
    "bands": (
        *("bands", "band", "filters", "filter", "band_names", "band_name", "filter_names"),
        *("filter_name", "band_order", "filter_order"),
    ),
    "pixel_scale": (
        *("pixel_scale", "pixel_scales", "pixscale", "pixscl", "pixel_size", "pixsize", "secpix"),
        *("plate_scale", "pixel_scale_arcsec", "pixscale_arcsec", "arcsec_per_pixel"),
    ),
    "pixel_degrees": ("cdelt1", "cdelt2"),
    "scale": ("scale_factor", "bscale"),
    "offset": ("add_offset", "bzero"),
    "masked": (
        *("_FillValue", "fill_value", "missing_value", "masked_value", "mask_value", "blank"),
        *("no_data", "no_data_value", "nan_value", "null_value", "bad_value"),
    ),
}
"""What can be said -> names under which it is; case and punctuation are no matter."""

NO_CLAIM = frozenset(
    {"", "none", "unknown", "n/a", "na", "-", "dimensionless", "unitless", "redshift", "z"}
)
"""Texts, in lower case, that say nothing."""

APPLIED = frozenset({"BSCALE", "BZERO", "BLANK"})
"""Cards of FITS that astropy applies."""

SAME = 1e-3
"""Relative difference up to which two numbers that a file says are the same."""

Values = tuple[str | float, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """One thing that a file says.

    what : of `UNDERSTOOD`. where : as "attribute 'BUNIT' of the images". values : texts or numbers,
    mostly one; None where they are neither.
    """

    what: str
    where: str
    values: Values | None

    def __str__(self) -> str:
        """Return what is said and where, for messages."""
        values = self.values or ("something else than texts or numbers",)
        shown = values[0] if len(values) == 1 else list(values)
        return f"{self.where} {shown!r}"


@dataclass(frozen=True)
class Said:
    """All that a file says of its images and of itself.

    Attributes
    ----------
    source : what the survey is, in the file's own words; None where there are none.
    schema_version : of what ingest writes; None for all other files.
    unused : where else it says something, of which no notice is taken.
    """

    claims: tuple[Claim, ...] = ()
    source: str | None = None
    schema_version: int | None = None
    unused: tuple[str, ...] = ()

    def of(self, *what: str) -> list[Claim]:
        """Return what the file says of these."""
        return [claim for claim in self.claims if claim.what in what]


NOTHING_SAID = Said()


def what_is_called(name: str) -> str | None:
    """Return what of `UNDERSTOOD` has this name, whatever its case and punctuation."""
    return _BY_NAME.get(_bare(name))


def claims_in(held: Mapping[str, Any], where: Callable[[str], str]) -> Iterator[Claim]:
    """Make claims of what is held under names that are understood.

    Parameters
    ----------
    held : name -> a text, a number, several of them, or None for something else.
    where : where a name stands, in words.
    """
    for name, value in held.items():
        what = what_is_called(name)
        if what is None:
            continue
        alone = value is None or isinstance(value, str | int | float)
        values: tuple[Any, ...] | None = None if value is None else (value,) if alone else (*value,)
        says_nothing = values is not None and all(str(one).lower() in NO_CLAIM for one in values)
        if not says_nothing:
            yield Claim(what, where(name), values)


def header_said(header: Mapping[str, Any]) -> Said:
    """Read what the header of a FITS image says.

    Scale, offset and blank value are left out: astropy has applied them to the pixels.
    """
    held = {name: value for name, value in header.items() if name not in APPLIED and value != ""}
    plain = {n: v if isinstance(v, str | int | float) else None for n, v in held.items()}
    return Said(tuple(claims_in(plain, str)))


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


def bands_of(said: Said, path: str | Path, *, given: str | None) -> tuple[str, str]:
    """Return the bands of the pixels in their order, such as "zirgu", and in words whose it is."""
    bands, says = agreed(
        given,
        [claim for claim in said.of("bands") if not _is_a_count(claim)],
        _bands,
        lambda one, other: one == other,
        path=path,
        expected=f"letters of {BANDS}, each at most once, or ingest.hdf5.bands",
    )
    return bands or BANDS, says


def pixel_scale_of(
    said: Said, path: str | Path, *, given: float | None
) -> tuple[float | None, str]:
    """Return arcsec per pixel, None where nothing is said, and in words who says so."""
    return agreed(
        given,
        said.of("pixel_scale", "pixel_degrees"),
        _arcsec,
        same,
        path=path,
        expected="arcsec per pixel, the same along both sides, or ingest.hdf5.pixel_scale",
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


def numbers(values: Sequence[Any] | None, *, above: float = -math.inf) -> tuple[float, ...] | None:
    """Finite numbers above a limit, one where all are the same; None where they are not."""
    try:
        read = [float(str(value).split()[0]) for value in values or ()]
    except (ValueError, IndexError):
        return None
    if not read or not all(math.isfinite(value) and value > above for value in read):
        return None
    return (read[0],) if len(set(read)) == 1 else tuple(read)


def same(one: Any, other: Any) -> bool:
    """Whether two numbers, or two rows of them, are the same but for rounding."""
    first, second = (value if isinstance(value, tuple) else (value,) for value in (one, other))
    if 1 in (len(first), len(second)):
        length = max(len(first), len(second))
        first, second = (row * length if len(row) == 1 else row for row in (first, second))
    return len(first) == len(second) and all(
        math.isclose(a, b, rel_tol=SAME) for a, b in zip(first, second, strict=True)
    )


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


_BY_NAME = {_bare(name): what for what, names in UNDERSTOOD.items() for name in names}


def _is_a_count(claim: Claim) -> bool:
    """Whether an attribute says how many bands there are, not which."""
    return claim.values is not None and len(claim.values) == 1 and type(claim.values[0]) is int


def _bands(claim: Claim) -> str | None:
    """Letters of "ugriz", "u, g, r, i, z", ["SDSS_u", "SDSS_g"] and the like."""
    text = " ".join(str(value) for value in claim.values or ())
    text = re.sub(r"sdss|bands?|filters?", " ", text, flags=re.IGNORECASE)
    words = re.findall(r"[A-Za-z0-9]+", text)
    letters = "".join(words) if len(words) == 1 or all(len(w) == 1 for w in words) else ""
    if sorted(letters.lower()) == sorted(BANDS):
        letters = letters.lower()  # alone, R and I are filters of another system
    if not letters:
        letters = "".join(band_in(str(value)) or "?" for value in claim.values or ())
    known = letters and set(letters) <= set(BANDS) and len(set(letters)) == len(letters)
    return letters if known else None


def band_in(text: str) -> str | None:
    """Return the band that a text names by a letter alone, as in "SDSS-g", "r.MP9602", "zband"."""
    bare = re.sub("sdss|band|filter|image", " ", text.lower())
    words = [word for word in re.split(r"[^a-z0-9]+", bare) if word in set(BANDS)]
    return words[0] if len(words) == 1 else None


def _arcsec(claim: Claim) -> float | None:
    """Arcsec per pixel of 0.2, "0.2 arcsec / pix" and the like."""
    read = numbers([abs(v) if isinstance(v, int | float) else v for v in claim.values or ()])
    if read is None or len(read) > 1 or read[0] <= 0:
        return None
    if claim.what == "pixel_degrees":
        return read[0] * 3600
    _, _, unit = str(claim.values[0]).strip().partition(" ") if claim.values else ("", "", "")
    unit = re.sub(r"\s*(/|per)\s*pix(el)?s?$", "", unit.replace('"', "arcsec")).strip()
    try:
        return float((read[0] * units.Unit(unit or "arcsec")).to_value(units.arcsec))
    except (ValueError, TypeError):
        return None
