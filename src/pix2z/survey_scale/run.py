"""All partitions of a survey: what is there already is left, what fails is listed, the rest made.

The folders of the tables and of the PDFs are those of one run at a time. A run that was ended,
however, goes on where it was: what is finished is told by the tables themselves. Nothing here knows
who does the work.
"""

import csv
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from pix2z.errors import InputError, Pix2zError
from pix2z.files import as_text, atomic_path, left_out_of
from pix2z.ingest.source import files_apart
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, FlagCounts
from pix2z.survey_scale.partitions import (
    Partition,
    Request,
    Source,
    is_finished,
    partitions_of,
    refuse_strangers,
)
from pix2z.survey_scale.work import Done, Failure, estimate, look_at

__all__ = ["FAILED", "LOST", "RunEach", "Summary", "Survey", "folder_of_one_run", "look", "predict"]

LOG = logging.getLogger(__name__)

FAILED = "_failed.csv"
"""Lists in the folder of the tables what has no redshifts. Readers of a folder of Parquet files
leave out names that begin with an underscore."""

LOST = "its worker ended each time: out of memory, or a crash"


class RunEach(Protocol):
    """Does a function of one argument for each of some arguments, in any order, somewhere."""

    def __call__(
        self, function: Callable[[Any], Any], arguments: Iterable[Any], /
    ) -> Iterator[tuple[Any, Any]]:
        """Yield (argument, result) as they come; None for a result that no worker survived."""


@dataclass(frozen=True)
class Survey:
    """Partitions of a survey.

    finished, to_do : those that have a table, and those that need one, in order.
    failures : files that cannot be read.
    """

    finished: Sequence[Partition]
    to_do: Sequence[Partition]
    failures: Sequence[Failure]


@dataclass
class Summary:
    """What is said of the partitions that were made, gathered as they come."""

    n_rows: int = 0
    n_partitions: int = 0
    n_known: int = 0
    peak_mib: float = 0.0
    flags: FlagCounts = field(default_factory=lambda: FlagCounts(IMAGE_FLAG_MEANINGS))
    failures: list[Failure] = field(default_factory=list)

    def add(self, done: Done | Failure) -> None:
        """Take in a partition."""
        if isinstance(done, Failure):
            self.failures.append(done)
            return
        self.n_rows += done.n_rows
        self.n_partitions += 1
        self.n_known += done.n_known
        self.peak_mib = max(self.peak_mib, done.peak_mib)
        self.flags.merge(done.flags)


@contextmanager
def folder_of_one_run(folder: Path) -> Iterator[None]:
    """Keep a folder of tables or of PDFs for this run; a new one that stays empty is removed.

    Raises
    ------
    InputError
        It cannot be made, or another run writes into it now.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder, for a file of each partition")
    was_there, lock = folder.exists(), folder / ".lock"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                if not was_there and list(folder.iterdir()) == [lock]:
                    lock.unlink()
                    folder.rmdir()
    except Timeout:
        raise InputError(
            f"{folder}: another run writes into it; expected a folder of its own, or to wait for it"
        ) from None


def look(path: Path, request: Request, run_each: RunEach, advance: Callable[[int], None]) -> Survey:
    """Look at all files of a survey, and at the tables that are there.

    Parameters
    ----------
    path : a file, or a folder of files.
    advance : called with the number of files that were looked at.

    Raises
    ------
    InputError
        There are no files, some belong together, the folder of tables is that of another run or
        has some of a failure, or rows of several files would have one id in a HATS catalogue.
    """
    found: dict[Path, Source | Failure] = {}
    files = files_apart(path)
    if left_out := left_out_of(path):
        LOG.warning("%s: left out, not being files of galaxies: %s", path, left_out)
    for file, seen in run_each(partial(look_at, request), files):
        found[file] = seen or Failure(as_text(file.name), LOST)
        advance(len(found))
    sources, failures = _alike([found[file] for file in files])
    lacking = [source.path.name for source in sources if not source.has_ids]
    if request.positions and lacking and len(sources) > 1:
        raise InputError(
            f"{path}: a HATS catalogue of several files needs ids that differ; {lacking[0]} has "
            "none, so that its rows would be numbered from 0 (-m object_id=KEY names them)"
        )
    finished: list[Partition] = []
    to_do: list[Partition] = []
    for source in sources:
        for partition in partitions_of(source, rows=request.partition_rows):
            (finished if is_finished(request, partition) else to_do).append(partition)
    names = {partition.name for partition in (*finished, *to_do)}
    refuse_strangers(request, names, {failure.file: failure.reason for failure in failures})
    return Survey(finished, to_do, failures)


def _alike(seen: Sequence[Source | Failure]) -> tuple[list[Source], list[Failure]]:
    """Tell files from failures; what is unlike most files is one, too."""
    readable = [one for one in seen if isinstance(one, Source)]
    kinds = Counter(frozenset(one.alike.items()) for one in readable)
    usual = max(readable, key=lambda one: kinds[frozenset(one.alike.items())], default=None)
    sources: list[Source] = []
    failures: list[Failure] = []
    for one in seen:
        if isinstance(one, Failure):
            failures.append(one)
        elif usual and (unlike := _unlike(usual, one)):
            failures.append(Failure(as_text(one.path.name), unlike))
        else:
            sources.append(one)
    return sources, failures


def _unlike(usual: Source, other: Source) -> str:
    for name in {**usual.alike, **other.alike}:
        said = [source.alike.get(name, "none") for source in (usual, other)]
        if said[0] != said[1]:
            return (
                f"expected files alike in {name}; received {said[0]!r} in {usual.path.name} and "
                f"{said[1]!r} in {other.path.name}"
            )
    return ""


def predict(
    survey: Survey, request: Request, run_each: RunEach, advance: Callable[[Summary], None]
) -> Summary:
    """Make the tables that are missing; what fails is listed in `FAILED`, else that is removed.

    Parameters
    ----------
    advance : called with what has been gathered after each partition.

    Raises
    ------
    Pix2zError
        Nothing more can be made, as where the disk is full; what is finished stays.
    """
    summary = Summary(failures=list(survey.failures))
    try:
        for partition, done in run_each(partial(estimate, request), survey.to_do):
            name, rows = as_text(partition.source.path.name), (partition.start, partition.stop)
            summary.add(done or Failure(name, LOST, *rows))
            advance(summary)
    except BaseException:
        with suppress(Pix2zError, OSError):  # a full disk is told of once
            _write_failures(request.tables / FAILED, summary.failures)
        raise
    _write_failures(request.tables / FAILED, summary.failures)
    return summary


def _write_failures(path: Path, failures: Sequence[Failure]) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    with atomic_path(path) as partial_path, partial_path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "start", "stop", "reason"])
        for one in sorted(failures, key=lambda one: (one.file, one.start or 0)):
            writer.writerow([one.file, one.start, one.stop, one.reason])
