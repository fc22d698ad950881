"""Lists of SDSS objects as SkyServer and CasJobs write them, in CSV."""

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from pix2z.errors import InputError
from pix2z.hdf5 import plain

__all__ = ["Failure", "Field", "ObjectList", "SdssObject", "read_objects"]

DEFAULT_RUN2D = "26"
"""Reduction of the spectra of SDSS-I and II; 103 and 104 are SEGUE's, v5_... those of BOSS."""

DEFAULT_RERUN = 301
"""Processing of the images in every data release since the eighth."""

RUN2D = re.compile(r"26|103|104|v5_\d{1,3}_\d{1,3}")

WHOLE_NUMBER = re.compile(r"(\d{1,18})(?:\.0*)?")

SPELLINGS = {"fiber": "fiberid", "e_bv": "ebv", "sfd_ebv": "ebv"}
"""Other names of columns, in lower case -> the name used here."""

NEEDED = {"plate": (1, 99_999), "mjd": (1, 99_999), "fiberid": (1, 9_999)}
PLACE = {"run": (1, 999_999), "camcol": (1, 6), "field": (0, 9_999)}
RERUN = (1, 9_999)
"""Column -> least and largest value."""

COLUMNS = frozenset({*NEEDED, *PLACE, "run2d", "rerun", "ebv"})

NO_VALUE = frozenset({"", "null", "nan", "none", "na", "-9999", "0"})
"""What stands for "none" in an optional column, in lower case."""

LISTED_COLUMNS = 12


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
class SdssObject:
    """An object with a spectrum.

    row : of the list, counted from 1 below the header.
    field : where its image is; None where the list does not say, but the spectrum may.
    ebv : E(B-V) in magnitudes, NaN where the list has none.
    """

    row: int
    plate: int
    mjd: int
    fiber: int
    run2d: str
    rerun: int
    field: Field | None
    ebv: float

    def __str__(self) -> str:
        """Name it as spectra are named."""
        return f"{self.plate:04d}-{self.mjd:05d}-{self.fiber:04d}"


@dataclass(frozen=True)
class Failure:
    """An object of the list that is not in the file made of it, and why."""

    row: int
    name: str
    reason: str


@dataclass(frozen=True)
class ObjectList:
    """The objects of a list, the rows of it that name none, and whether it has E(B-V)."""

    objects: tuple[SdssObject, ...]
    failures: tuple[Failure, ...]
    has_ebv: bool


def read_objects(path: str | Path) -> ObjectList:
    """Read a list of objects; ids may be quoted once or twice, or not at all.

    A row that names no spectrum, or one named before, becomes a failure.

    Raises
    ------
    InputError
        The file cannot be read, is no CSV in text, lacks a column that is needed, or has no rows.
    """
    table = _read_table(Path(path))
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise InputError(
            f"{path}: column{'s' if len(missing) > 1 else ''} {', '.join(missing)} missing; "
            f"expected {', '.join(NEEDED)} and optionally run2d, run, camcol, field, rerun, ebv; "
            f"the file has {_listed(list(table))}"
        )
    if table.empty:
        raise InputError(f"{path}: expected rows below the header; has none")
    objects: list[SdssObject] = []
    failures: list[Failure] = []
    first: dict[tuple[int, int, int], int] = {}
    known = [name for name in table if name in COLUMNS]
    for number, values in enumerate(table[known].itertuples(index=False, name=None), start=1):
        row = dict(zip(known, map(_unquoted, values), strict=True))
        try:
            found = _object(row, number)
        except ValueError as error:
            name = plain("-".join(row[key] for key in NEEDED))[:60]
            failures.append(Failure(number, name, str(error)))
            continue
        before = first.setdefault((found.plate, found.mjd, found.fiber), number)
        if before == number:
            objects.append(found)
        else:
            failures.append(Failure(number, str(found), f"the same spectrum as in row {before}"))
    return ObjectList(tuple(objects), tuple(failures), has_ebv="ebv" in table)


def _read_table(path: Path) -> pd.DataFrame:
    """Return the table as text: names in lower case, quotes taken off, the first of equal names."""
    try:
        with path.open("rb") as file:
            begin = file.read(2**16)
        if b"\0" in begin:
            raise InputError(f"{path}: not text; expected CSV")
        # SkyServer writes the name of the table, "#Table1", above the header.
        skipped = 1 if begin.removeprefix(b"\xef\xbb\xbf").startswith(b"#") else 0
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                dtype=str,
                keep_default_na=False,
                skiprows=skipped,
                skipinitialspace=True,
                index_col=False,
                encoding="utf-8-sig",
            )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not text in UTF-8 ({plain(str(error))}); expected CSV"
        ) from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path}: not CSV ({plain(str(error))})") from error
    table.columns = pd.Index([_name(str(column)) for column in table])
    return table.loc[:, ~table.columns.duplicated()]


def _name(text: str) -> str:
    name = _unquoted(text).lower()
    return SPELLINGS.get(name, name)


def _unquoted(text: Any) -> str:
    return str(text).strip().strip("'\"").strip() if isinstance(text, str) else ""


def _object(row: dict[str, str], number: int) -> SdssObject:
    """Make an object of a row; raise ValueError naming the column at fault."""
    plate, mjd, fiber = (_number(row, name, bounds) for name, bounds in NEEDED.items())
    run2d = row.get("run2d", "").removesuffix(".0")
    run2d = DEFAULT_RUN2D if run2d.lower() in NO_VALUE else run2d
    if not RUN2D.fullmatch(run2d):
        raise ValueError(f"run2d: expected 26, 103, 104 or v5_...; received {plain(run2d)[:40]!r}")
    rerun = DEFAULT_RERUN if _none(row, "rerun") else _number(row, "rerun", RERUN)
    field = None
    if not any(_none(row, name) for name in ("run", "camcol")) and row.get("field", ""):
        field = Field(rerun, *(_number(row, name, bounds) for name, bounds in PLACE.items()))
    return SdssObject(number, plate, mjd, fiber, run2d, rerun, field, _ebv(row.get("ebv", "")))


def _none(row: dict[str, str], name: str) -> bool:
    return row.get(name, "").lower() in NO_VALUE


def _number(row: dict[str, str], name: str, bounds: tuple[int, int]) -> int:
    low, high = bounds
    found = WHOLE_NUMBER.fullmatch(row[name])
    if found is None or not low <= int(found[1]) <= high:
        raise ValueError(
            f"{name}: expected a whole number from {low} to {high}; "
            f"received {plain(row[name])[:40]!r}"
        )
    return int(found[1])


def _ebv(text: str) -> float:
    """E(B-V); NaN where the text is no number, which ingest takes as unknown."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and value >= 0 else math.nan


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - LISTED_COLUMNS} more"] if len(names) > LISTED_COLUMNS else []
    return ", ".join([plain(name)[:40] for name in names[:LISTED_COLUMNS]] + more)
