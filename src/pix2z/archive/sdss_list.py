"""Lists of SDSS objects as SkyServer and CasJobs write them, in CSV."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pix2z.errors import InputError
from pix2z.files import read_text
from pix2z.hdf5 import other_format, plain

__all__ = [
    "Failure",
    "Field",
    "ObjectList",
    "SdssObject",
    "object_of",
    "read_objects",
    "read_table",
]

DEFAULT_RUN2D = "26"
"""Reduction of the spectra of SDSS-I and II; 103 and 104 are SEGUE's, v5_... those of BOSS."""

DEFAULT_RERUN = 301
"""Processing of the images in every data release since the eighth."""

RUN2D = re.compile(r"26|103|104|v5_\d{1,3}_\d{1,3}")

OBJECT_ID = re.compile(r"\d{1,19}")

NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE]\+?\d+)?")

WHOLE_NUMBER = re.compile(r"(\d{1,18})(?:\.0*)?")

SPELLINGS = {"fiber": "fiberid", "e_bv": "ebv", "sfd_ebv": "ebv"}
"""Other names of columns, in lower case -> the name used here."""

NEEDED = {"plate": (1, 99_999), "mjd": (1, 99_999), "fiberid": (1, 9_999)}
OF_IMAGE = {"run": (1, 999_999), "camcol": (1, 6), "field": (0, 9_999)}
RERUN = (1, 9_999)
"""Column -> least and largest value."""

POSITION = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0)}
"""Column -> least and largest value, degrees."""

UNDERSTOOD = (*NEEDED, *OF_IMAGE, *POSITION, "run2d", "rerun", "ebv", "objid")

NO_VALUE = frozenset({"", "null", "nan", "none", "na", "-9999", "0"})
"""What stands for "none" in an optional column, in lower case."""

MOST_NAMES = 12
"""Columns that a message names."""


@dataclass(frozen=True)
class Field:
    """One field of the imaging survey, of which there are five frames."""

    rerun: int
    run: int
    camcol: int
    field: int

    def __str__(self) -> str:
        """Name it as frames are named."""
        return f"{self.run:06d}-{self.camcol}-{self.field:04d}"


@dataclass(frozen=True)
class Failure:
    """An object of the list that is not in the file made of it, and why."""

    row: int
    name: str
    reason: str


@dataclass(frozen=True)
class SdssObject:
    """An object with a spectrum, or one of which the position is known.

    row : of the list, counted from 1 below the header.
    plate, mjd, fiber, run2d : of the spectrum; 0 and empty where there is none.
    field : where its image is; None where the list does not say, but the spectrum may.
    ebv : E(B-V) in magnitudes, NaN where the list has none.
    ra, dec : degrees; NaN where the spectrum is to say.
    object_id : of SDSS's imaging; 0 where there is a spectrum, or it is not known.
    """

    row: int
    plate: int
    mjd: int
    fiber: int
    run2d: str
    rerun: int
    field: Field | None
    ebv: float
    ra: float = math.nan
    dec: float = math.nan
    object_id: int = 0

    @property
    def has_spectrum(self) -> bool:
        """Whether a spectrum is known."""
        return self.plate > 0

    def __str__(self) -> str:
        """Name it as spectra are named, or by its position."""
        if not self.has_spectrum:
            return f"{self.ra:.5f}{self.dec:+.5f}"
        return f"{self.plate:04d}-{self.mjd:05d}-{self.fiber:04d}"

    def failed(self, why: object) -> Failure:
        """Return the failure of this object."""
        return Failure(self.row, str(self), str(why))


@dataclass(frozen=True)
class ObjectList:
    """The objects of a list, the rows of it that name none, and whether it has E(B-V)."""

    path: Path
    objects: tuple[SdssObject, ...]
    failures: tuple[Failure, ...]
    has_ebv: bool


def read_objects(path: str | Path) -> ObjectList:
    """Read a list of objects; ids may be quoted once or twice, or not at all.

    A row that names neither a spectrum nor a position, or one named before, becomes a failure.

    Raises
    ------
    InputError
        The file cannot be read, is no CSV in text, lacks a column that is needed, or has no rows.
    """
    path = Path(path)
    columns, rows = read_table(path, once=UNDERSTOOD)
    missing = [name for name in NEEDED if name not in columns]
    if missing and not POSITION.keys() <= set(columns):
        raise InputError(
            f"{path}: column{'s' if len(missing) > 1 else ''} {', '.join(missing)} missing; "
            f"expected {', '.join(NEEDED)}, or ra, dec, and optionally run2d, run, camcol, field, "
            f"rerun, ebv; "
            f"the file has {', '.join(plain(name)[:40] for name in columns[:MOST_NAMES])}"
        )
    if not rows:
        raise InputError(f"{path}: expected rows below the header; has none")
    objects: list[SdssObject] = []
    failures: list[Failure] = []
    first: dict[str, int] = {}
    for number, values in enumerate(rows, start=1):
        row = dict(zip(columns, values, strict=True))
        try:
            listed = object_of(row, number)
        except ValueError as error:
            keys = POSITION if missing else NEEDED
            name = plain("-".join(row[key] for key in keys))[:60]
            failures.append(Failure(number, name, str(error)))
            continue
        before = first.setdefault(str(listed), number)
        if before == number:
            objects.append(listed)
        else:
            what = "spectrum" if listed.has_spectrum else "position"
            failures.append(listed.failed(f"the same {what} as in row {before}"))
    return ObjectList(path, tuple(objects), tuple(failures), has_ebv="ebv" in columns)


def read_table(path: Path, *, once: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """Return names of columns in lower case, and rows as text; quotes are taken off.

    once : columns that may be there once at the most, under whatever name; else InputError.
    """
    if path.is_file() and (other := other_format(path)) not in ("", "text", "an empty file"):
        raise InputError(f"{path}: expected CSV; received {other}")
    text = read_text(path)
    if "\0" in text:
        raise InputError(f"{path}: not text; expected CSV")
    # SkyServer writes the name of the table, "#Table1", above the header.
    lines = [line for line in text.splitlines() if line.strip()]
    lines = lines[1:] if lines and lines[0].startswith("#") else lines
    try:
        table = [
            [_unquoted(value) for value in row]
            for row in csv.reader(lines, skipinitialspace=True, strict=True)
        ]
    except csv.Error as error:
        raise InputError(f"{path}: not CSV ({error})") from error
    if not table:
        raise InputError(f"{path}: not CSV: it is empty")
    columns, *rows = table
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise InputError(
                f"{path}: not CSV: row {number} has {len(row)} values, the header {len(columns)}"
            )
    names = [SPELLINGS.get(name.lower(), name.lower()) for name in columns]
    for name in once:
        if names.count(name) > 1:
            same = ", ".join(own for own, one in zip(columns, names, strict=True) if one == name)
            raise InputError(f"{path}: expected one column {name}; received {plain(same)}")
    return names, rows


def _unquoted(text: str) -> str:
    return text.strip().strip("'\"").strip()


def object_of(row: dict[str, str], number: int) -> SdssObject:
    """Make an object of a row; raise ValueError naming the column at fault."""
    plate = mjd = fiber = object_id = 0
    run2d, ra, dec = "", math.nan, math.nan
    positioned = POSITION.keys() <= row.keys()
    if positioned and all(_none(row, name) for name in NEEDED):
        ra, dec = (_degrees(row, name, bounds) for name, bounds in POSITION.items())
        object_id = 0 if _none(row, "objid") else _id(row["objid"])
    else:
        plate, mjd, fiber = (_number(row, name, bounds) for name, bounds in NEEDED.items())
        run2d = row.get("run2d", "").removesuffix(".0")
        run2d = DEFAULT_RUN2D if run2d.lower() in NO_VALUE else run2d
        if not RUN2D.fullmatch(run2d):
            shown = plain(run2d)[:40]
            raise ValueError(f"run2d: expected 26, 103, 104 or v5_...; received {shown!r}")
    rerun = DEFAULT_RERUN if _none(row, "rerun") else _number(row, "rerun", RERUN)
    field = None
    if not any(_none(row, name) for name in ("run", "camcol")) and row.get("field", ""):
        field = Field(rerun, *(_number(row, name, bounds) for name, bounds in OF_IMAGE.items()))
    ebv = _ebv(row.get("ebv", ""))
    return SdssObject(number, plate, mjd, fiber, run2d, rerun, field, ebv, ra, dec, object_id)


def _degrees(row: dict[str, str], name: str, bounds: tuple[float, float]) -> float:
    low, high = bounds
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(
            f"{name}: expected degrees from {low:g} to {high:g}; received {plain(row[name])[:40]!r}"
        )
    return value


def _none(row: dict[str, str], name: str) -> bool:
    return row.get(name, "").lower() in NO_VALUE


def _number(row: dict[str, str], name: str, bounds: tuple[int, int]) -> int:
    low, high = bounds
    digits = WHOLE_NUMBER.fullmatch(row[name])
    if digits is None or not low <= int(digits[1]) <= high:
        raise ValueError(
            f"{name}: expected a whole number from {low} to {high}; "
            f"received {plain(row[name])[:40]!r}"
        )
    return int(digits[1])


def _id(text: str) -> int:
    """Of an object, 0 where it is a name; ValueError where a spreadsheet made 1.23766e18 of it."""
    if OBJECT_ID.fullmatch(text) and int(text) < 2**63:
        return int(text)
    if NUMBER.fullmatch(text):
        raise ValueError(f"objid: expected all digits of an id; received {plain(text)[:40]!r}")
    return 0


def _ebv(text: str) -> float:
    """E(B-V); NaN where the text is no number, which ingest takes as unknown."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and value >= 0 else math.nan
