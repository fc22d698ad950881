"""What a worker does: look at a file, and make the table of one of its partitions.

A file that cannot be read is an answer, `Failure`, and no error: the other files do not suffer.
Errors that would meet every partition (the model was altered, the disk is full) are raised.
"""

import json
import resource
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pix2z.catalogue.estimates import predict_survey, table_facts
from pix2z.catalogue.estimator import Estimator, load_pool
from pix2z.catalogue.hats import check_positions
from pix2z.catalogue.tables import write_catalogue
from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.files import as_text
from pix2z.imaging import SOFTENED_UNIT
from pix2z.ingest.checks import usable_pixels
from pix2z.ingest.plausibility import photometry_problems
from pix2z.ingest.raw import RawSurvey
from pix2z.ingest.source import detect_layout, is_hdf5_layout, open_source
from pix2z.redshift_pdf.flags import FlagCounts
from pix2z.survey_scale.partitions import MADE_OF, Partition, Request, Source, made_of

__all__ = ["Done", "Failure", "estimate", "look_at"]

LOOKED_AT = 512
"""Stamps of a file whose pixels are checked: as long as 3,000 redshifts take."""

MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10
"""Units of ru_maxrss: bytes on macOS, else KiB."""


@dataclass(frozen=True)
class Failure:
    """Rows of a file that have no redshifts; all of it where `start` is None."""

    file: str
    reason: str
    start: int | None = None
    stop: int | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        of_rows = "" if self.start is None else f"rows {self.start:,} to {self.stop:,}: "
        return f"{self.file}: {of_rows}{self.reason}"


@dataclass(frozen=True)
class Done:
    """A partition whose table is in place.

    n_known : galaxies that have a redshift.
    peak_mib : the largest memory that the worker has had so far.
    """

    n_rows: int
    n_known: int
    flags: FlagCounts
    peak_mib: float


def look_at(request: Request, path: Path) -> Source | Failure:
    """Count the galaxies of a file, and check its pixels where that is asked for.

    Of an HDF5 file only a sample of the stamps is read, whatever its size.
    """
    try:
        layout = request.layout or detect_layout(path, images=request.mapping.given.get("images"))
        by_rows = is_hdf5_layout(layout)
        with _open(request, path, layout, rows=(0, 0) if by_rows else None) as survey:
            pixels = usable_pixels(survey)
            problems = photometry_problems(pixels, most=LOOKED_AT) if request.check else ()
            if problems:
                reason = f"{'; '.join(problems)} (--no-check predicts all the same)"
                return Failure(as_text(path.name), reason)
            (file,) = survey.files
            size, changed = _stamp(file.paths)
            alike = {
                "layout": layout,
                "pixels": SOFTENED_UNIT if survey.softened else "fluxes",
                **survey.table.origin,
            }
            ids = survey.table.has_ids
            return Source(path, layout, file.n_rows, by_rows, size, changed, ids, alike)
    except Pix2zError as error:
        return _failure(path, error)


def estimate(request: Request, partition: Partition) -> Done | Failure:
    """Write the redshifts of a partition: its table, and its PDFs, are put in place when whole.

    Raises
    ------
    IntegrityError
        The model is not the one that was chosen.
    InputError
        A file cannot be written.
    """
    estimator, source = _loaded(request.pool, request.model_digest), partition.source
    table, pdfs = request.table_of(partition), request.pdfs_of(partition)
    rows = (partition.start, partition.stop) if source.by_rows else None
    try:
        with _open(request, source.path, source.layout, rows=rows) as survey:
            if _stamp(survey.files[0].paths) != (source.size, source.changed):
                raise InputError(f"{source.path}: changed after it was looked at")
            if request.positions:
                check_positions(survey)
            overview = write_catalogue(
                predict_survey(estimator, survey, ebv=request.ebv, batch_rows=request.block_rows),
                survey.table,
                columns=request.columns,
                grid=estimator.grid,
                out=table,
                pdf=pdfs,
                metadata={
                    **table_facts(estimator, survey, ebv=request.ebv, with_digest=False),
                    MADE_OF.decode(): json.dumps(made_of(request, partition)),
                },
                advance=lambda _: None,
            )
    except Pix2zError as error:
        written = tuple(str(path) for path in (table, pdfs) if path)
        if str(error).startswith(written):
            raise
        return _failure(source.path, error, partition.start, partition.stop)
    return Done(len(partition), overview.n_known, overview.counts, _peak_mib())


def _failure(path: Path, error: Pix2zError, *rows: int) -> Failure:
    return Failure(as_text(path.name), str(error).removeprefix(f"{path}: "), *rows)


def _open(
    request: Request, path: Path, layout: str, *, rows: tuple[int, int] | None
) -> AbstractContextManager[RawSurvey]:
    return open_source(
        path, layout=layout, mapping=request.mapping, ebv_key=request.ebv_key, rows=rows
    )


def _stamp(paths: tuple[Path, ...]) -> tuple[int, int]:
    """Bytes of some files, and when the last of them was changed, in ns."""
    found = [path.stat() for path in paths]
    return sum(one.st_size for one in found), max(one.st_mtime_ns for one in found)


@cache
def _loaded(pool: Path, digest: str) -> Estimator:
    """Load the model, once in a worker's life."""
    estimator = load_pool(pool)
    if estimator.digest != digest:
        raise IntegrityError(f"{pool}: is another model than when the run began")
    return estimator


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MIB
