"""What every raw layout is read into: a table of columns, and stamps by range of rows.

A folder of files is read as one such survey, rows in the order of the files' names. Tables are
held, files are not: one file at a time is open, so any number can be merged.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.files import left_out_of
from pix2z.imaging import BANDS, SOFTENED_UNIT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["RawFile", "RawSurvey", "RawTable", "concatenated", "open_merged"]

LOG = logging.getLogger(__name__)

LISTED_TEXTS = 3


@dataclass(frozen=True)
class RawFile:
    """One of the files of a survey.

    Attributes
    ----------
    n_rows : of the whole file, also where the survey is of some of them.
    others : files that belong to its rows: bands or columns.
    gain, level : of each band; ``gain * stored + level`` are the nanomaggies of a stored number.
    """

    path: Path
    n_rows: int
    others: tuple[Path, ...] = ()
    gain: tuple[float, ...] = (1.0,) * len(BANDS)
    level: tuple[float, ...] = (0.0,) * len(BANDS)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file and the others."""
        return (self.path, *self.others)


@dataclass(frozen=True)
class RawTable:
    """Everything of a raw file but its pixels; N rows, about 100 bytes each.

    Attributes
    ----------
    z_spec, z_error : (N,) float32 spectroscopic redshift and its error, NaN where there is none.
    object_id, group_id : (N,) int64; rows of one group never straddle two parts of the sample.
    ra, dec : (N,) float64 degrees, NaN where the file has no positions.
    ebv : (N,) float32 E(B-V), NaN where unknown.
    seeing : (N, 5) float32 PSF FWHM in arcsec, NaN where unknown.
    moved : (N,) uint8, 1 for a rendered stamp at another redshift than its parent's.
    z_warning : (N,) integers, ZWARNING of SDSS, None where the file has none.
    spectral_class : (N,) bytes such as b"GALAXY", None where the file has none.
    has_redshifts, has_ids, has_positions : whether the file came with them.
    has_unit_of_positions : whether it says the unit of right ascensions.
    origin : column -> where its values came from, in words.
    """

    z_spec: NDArray[np.float32]
    z_error: NDArray[np.float32]
    object_id: NDArray[np.int64]
    group_id: NDArray[np.int64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    ebv: NDArray[np.float32]
    seeing: NDArray[np.float32]
    moved: NDArray[np.uint8]
    has_redshifts: bool
    has_ids: bool
    has_positions: bool
    origin: Mapping[str, str]
    has_unit_of_positions: bool = False
    z_warning: NDArray[np.integer[Any]] | None = None
    spectral_class: NDArray[np.bytes_] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.z_spec)


@dataclass(frozen=True)
class RawSurvey:
    """An open raw file, or several as one.

    Attributes
    ----------
    path : the file, or the folder of the files.
    layout : its name.
    files : every file with its number of rows, in the order of the rows.
    source : what the survey is, in the file's own words, else its name.
    converted : what was assumed of the pixels or done to them, in words: axes, bands, unit,
        pixel scale, crop; of a folder also what in it was left out.
    read_images : ``read_images(start, stop)`` gives the stamps of those rows, (n, 32, 32, 5)
        float32 nanomaggies, bands u g r i z last; masked pixels and absent bands are NaN.
    softened : whether the pixels were softened to [0, 1] and are no fluxes.
    """

    path: Path
    layout: str
    files: tuple[RawFile, ...]
    source: str
    table: RawTable
    converted: Mapping[str, str]
    read_images: Callable[[int, int], NDArray[np.float32]]
    softened: bool = False


Rows = TypeVar("Rows", bound="DataclassInstance")
"""A dataclass whose arrays have a row per galaxy."""

Opener = Callable[[Sequence[Path]], AbstractContextManager[RawSurvey]]
"""Opens the files of some galaxies: one, or one per band."""


@contextmanager
def open_merged(
    folder: str | Path, members: Sequence[Sequence[Path]], open_one: Opener
) -> Iterator[RawSurvey]:
    """Open files of one layout, whose columns come from the same keys, as one survey.

    Each file is brought to nanomaggies and 32 x 32 pixels by itself. Ids stay as they are; files
    without ids get row numbers over all rows.

    Raises
    ------
    InputError
        A file cannot be opened, or two differ in layout, in the origin of a column or in whether
        their pixels are fluxes.
    """
    merged = _merged(Path(folder), members, open_one)
    with ExitStack() as opened:
        yield replace(merged, read_images=_reader(merged.files, open_one, opened))


def _merged(folder: Path, members: Sequence[Sequence[Path]], open_one: Opener) -> RawSurvey:
    """All but the pixels of the files; their tables are held twice no longer than this takes."""
    surveys: list[RawSurvey] = []
    for paths in members:
        with open_one(paths) as survey:
            surveys.append(replace(survey, read_images=_closed))  # which holds headers in memory
            _check_alike(surveys[0], survey)
    first = surveys[0]
    left_out = left_out_of(folder)
    if left_out:
        LOG.warning("%s: left out, not being files of galaxies: %s", folder, left_out)
    return replace(
        first,
        path=folder,
        files=tuple(file for survey in surveys for file in survey.files),
        source=_joined([survey.source for survey in surveys]),
        table=_one_table([survey.table for survey in surveys]),
        converted={
            name: _joined([s.converted[name] for s in surveys if name in s.converted])
            for name in dict.fromkeys(name for survey in surveys for name in survey.converted)
        }
        | ({"left out": left_out} if left_out else {}),
    )


def _closed(start: int, stop: int) -> NDArray[np.float32]:
    raise InputError(f"rows {start} to {stop}: expected an open file")


def _check_alike(one: RawSurvey, other: RawSurvey) -> None:
    """Raise InputError naming both files where they cannot be read as one survey."""
    facts = [
        {
            "layout": survey.layout,
            "pixels": SOFTENED_UNIT if survey.softened else "fluxes",
            **survey.table.origin,
        }
        for survey in (one, other)
    ]
    for name in facts[0] | facts[1]:
        said = [fact.get(name, "none") for fact in facts]
        if said[0] != said[1]:
            raise InputError(
                f"{other.path.parent}: expected files alike in {name}; received {said[0]!r} in "
                f"{one.path.name} and {said[1]!r} in {other.path.name}"
            )


def _one_table(tables: Sequence[RawTable]) -> RawTable:
    """Join tables; rows without ids are numbered over all of them."""
    say_units = all(table.has_unit_of_positions for table in tables)
    table = replace(concatenated(tables), has_unit_of_positions=say_units)
    if table.has_ids:
        return table
    numbers = np.arange(len(table), dtype=np.int64)
    first = tables[0]
    own_groups = not first.has_positions and np.array_equal(first.group_id, first.object_id)
    return replace(table, object_id=numbers, group_id=numbers if own_groups else table.group_id)


def concatenated(parts: Sequence[Rows]) -> Rows:
    """Join values of one dataclass: arrays row after row, all else as in the first."""
    first = parts[0]
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(first)
        if isinstance(getattr(first, field.name), np.ndarray)
    }
    return replace(first, **arrays)


def _joined(texts: Sequence[str]) -> str:
    different = list(dict.fromkeys(texts))
    more = len(different) - LISTED_TEXTS
    return "; ".join(different[:LISTED_TEXTS] + ([f"{more} more"] if more > 0 else []))


def _reader(
    files: Sequence[RawFile], open_one: Opener, opened: ExitStack
) -> Callable[[int, int], NDArray[np.float32]]:
    """``read_images`` over all files; the file read last stays open in `opened`."""
    starts = np.concatenate([[0], np.cumsum([file.n_rows for file in files])]).tolist()
    current: dict[int, RawSurvey] = {}

    def survey_of(index: int) -> RawSurvey:
        if index not in current:
            opened.close()
            current.clear()
            survey = opened.enter_context(open_one(files[index].paths))
            if len(survey.table) != files[index].n_rows:
                raise InputError(f"{files[index].path}: changed while it was read")
            current[index] = survey
        return current[index]

    def read_images(start: int, stop: int) -> NDArray[np.float32]:
        blocks = []
        for index, first in enumerate(starts[:-1]):
            low, high = max(start, first), min(stop, starts[index + 1])
            if low < high:
                blocks.append(survey_of(index).read_images(low - first, high - first))
        return np.concatenate(blocks)

    return read_images
