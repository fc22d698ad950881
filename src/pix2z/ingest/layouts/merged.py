"""A folder of files as one survey, rows in the order of the files' names.

Tables are held, files are not: one file at a time is open, so any number can be merged.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.ingest.layouts.raw import RawFile, RawSurvey, RawTable

__all__ = ["open_merged"]

LISTED_TEXTS = 3

Opener = Callable[[Path], AbstractContextManager[RawSurvey]]


@contextmanager
def open_merged(folder: str | Path, paths: Sequence[Path], open_one: Opener) -> Iterator[RawSurvey]:
    """Open files of one layout, whose columns come from the same keys, as one survey.

    Each file is brought to nanomaggies and 32 x 32 pixels by itself. Ids stay as they are; files
    without ids get row numbers over all rows.

    Raises
    ------
    InputError
        A file cannot be opened, or two differ in layout or in the origin of a column.
    """
    merged = _merged(Path(folder), paths, open_one)
    with ExitStack() as opened:
        yield replace(merged, read_images=_reader(merged.files, open_one, opened))


def _merged(folder: Path, paths: Sequence[Path], open_one: Opener) -> RawSurvey:
    """All but the pixels of the files; their tables are held twice no longer than this takes."""
    surveys: list[RawSurvey] = []
    for path in paths:
        with open_one(path) as survey:
            surveys.append(survey)
            _check_alike(surveys[0], survey)
    first = surveys[0]
    return replace(
        first,
        path=folder,
        files=tuple(file for survey in surveys for file in survey.files),
        source=_joined([survey.source for survey in surveys]),
        table=_concatenated([survey.table for survey in surveys]),
        converted={
            name: _joined([survey.converted[name] for survey in surveys])
            for name in first.converted
        },
    )


def _check_alike(one: RawSurvey, other: RawSurvey) -> None:
    """Raise InputError naming both files where they cannot be read as one survey."""
    facts = [{"layout": survey.layout, **survey.table.origin} for survey in (one, other)]
    for name in facts[0] | facts[1]:
        said = [fact.get(name, "none") for fact in facts]
        if said[0] != said[1]:
            raise InputError(
                f"{other.path.parent}: expected files alike in {name}; received {said[0]!r} in "
                f"{one.path.name} and {said[1]!r} in {other.path.name}"
            )


def _concatenated(tables: Sequence[RawTable]) -> RawTable:
    first = tables[0]
    columns = {
        field.name: np.concatenate([getattr(table, field.name) for table in tables])
        for field in fields(RawTable)
        if isinstance(getattr(first, field.name), np.ndarray)
    }
    if not first.has_ids:
        own_groups = np.array_equal(first.group_id, first.object_id) and not first.has_positions
        columns["object_id"] = np.arange(len(columns["object_id"]), dtype=np.int64)
        if own_groups:
            columns["group_id"] = columns["object_id"]
    return RawTable(
        **columns,
        has_redshifts=first.has_redshifts,
        has_ids=first.has_ids,
        has_positions=first.has_positions,
        origin=first.origin,
    )


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
            survey = opened.enter_context(open_one(files[index].path))
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
