"""What a file says of its pixels: claims, made of what a reader finds under names that it knows.

`imaging.names.UNDERSTOOD` has the names; `agreement` and `units` find out what holds.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pix2z.imaging import BANDS
from pix2z.imaging.names import NO_CLAIM, bare, what_is_called

__all__ = ["NOTHING_SAID", "Claim", "Said", "band_in", "claims_in", "header_said", "numbers"]

IN_SEVERAL = ("pixel_matrix", "band_of_plane")
"""What of `imaging.names.UNDERSTOOD` stands under several names, read together."""

APPLIED = frozenset({"BSCALE", "BZERO", "BLANK"})
"""Cards of FITS that astropy applies."""

Values = tuple[str | float, ...]


@dataclass(frozen=True)
class Claim:
    """One thing that a file says.

    what : of `UNDERSTOOD`. where : as "attribute 'BUNIT' of the images". values : texts or numbers,
    mostly one; None where they are neither. band : the one that it is said of, "" of all.
    """

    what: str
    where: str
    values: Values | None
    band: str = ""

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
        """Return what the file says of these, of all bands."""
        return [claim for claim in self.claims if claim.what in what and not claim.band]


NOTHING_SAID = Said()


def claims_in(held: Mapping[str, Any], where: Callable[[str], str]) -> Iterator[Claim]:
    """Make claims of what is held under names that are understood.

    Parameters
    ----------
    held : name -> a text, a number, several of them, or None for something else.
    where : where a name stands, in words.
    """
    called = {name: found for name in held if (found := what_is_called(name))}
    for name, (what, band) in called.items():
        values = _several(held[name])
        says_nothing = values is not None and all(str(one).lower() in NO_CLAIM for one in values)
        if what not in IN_SEVERAL and not says_nothing:
            yield Claim(what, where(name), values, band)
    matrix, planes = (
        {bare(name): (name, held[name]) for name, (what, _) in called.items() if what == several}
        for several in IN_SEVERAL
    )
    for name, degrees in _pixel_degrees(matrix):
        yield Claim("pixel_degrees", where(name), (degrees,))
    if bands := _bands_of_planes(planes):
        yield Claim("bands", where(min(planes.values())[0]), (bands,))


def _several(value: Any) -> Values | None:
    alone = isinstance(value, str | int | float)
    return None if value is None else (value,) if alone else (*value,)


def _pixel_degrees(matrix: Mapping[str, tuple[str, Any]]) -> Iterator[tuple[str, float]]:
    """Sides of a pixel by the matrix CD, or by CDELT and PC; one of exactly 1 says nothing."""
    cards = {name: (numbers(_several(value)) or (0.0,))[0] for name, (_, value) in matrix.items()}
    is_cd = any(name in cards for name in ("cd11", "cd12", "cd21", "cd22"))
    for axis in "12":
        steps = [
            cards.get(f"cd{row}{axis}", 0.0)
            if is_cd
            else cards.get(f"pc{row}{axis}", float(row == axis)) * cards.get(f"cdelt{row}", 1.0)
            for row in "12"
        ]
        by = [name for name in matrix if name[-1] == axis]
        if by and math.hypot(*steps) != 1:
            yield matrix[by[0]][0], math.hypot(*steps)


def _bands_of_planes(planes: Mapping[str, tuple[str, Any]]) -> str:
    """Bands of BAND0, BAND1, ... or FILTER1, ..., where each names one; else nothing."""
    ordered = sorted(planes, key=lambda name: int(re.sub("[^0-9]", "", name)))
    bands = [band_in(str((_several(planes[name][1]) or ("",))[0])) for name in ordered]
    return "".join(map(str, bands)) if len(bands) > 1 and all(bands) else ""


def header_said(header: Mapping[str, Any]) -> Said:
    """Read what the header of a FITS image says.

    Scale, offset and blank value are left out: astropy has applied them to the pixels.
    """
    held = {name: value for name, value in header.items() if name not in APPLIED and value != ""}
    plain = {n: v if isinstance(v, str | int | float) else None for n, v in held.items()}
    return Said(tuple(claims_in(plain, str)))


def numbers(
    values: Sequence[Any] | None, *, above: float = -math.inf, then: str = ""
) -> tuple[float, ...] | None:
    """Finite numbers above a limit, one where all are the same; None where they are not.

    then : pattern of what may stand behind a number, such as its unit.
    """
    found = [
        re.fullmatch(rf"([-+0-9.eE]+)\s*(?:{then})?", str(value).strip(), re.IGNORECASE)
        for value in values or ()
    ]
    try:
        read = [float(one[1]) if one else math.nan for one in found]
    except ValueError:
        return None
    if not read or not all(math.isfinite(value) and value > above for value in read):
        return None
    return (read[0],) if len(set(read)) == 1 else tuple(read)


def band_in(text: str) -> str | None:
    """Return the band that a text names by a letter alone, as in "SDSS-g", "r.MP9602", "zband"."""
    bare = re.sub("sdss|sloan|band|filter|image", " ", text.lower())
    words = [word for word in re.split(r"[^a-z0-9]+", bare) if word in set(BANDS)]
    return words[0] if len(words) == 1 else None
