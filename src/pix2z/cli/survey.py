"""``pix2z predict --dask``: a survey in partitions, each estimated by a worker of Dask."""

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.display import FILES, GALAXIES, Unit, number_of, progress, say, say_in_words
from pix2z.cli.reading import Given, done, refuse_input
from pix2z.errors import InputError, Pix2zError
from pix2z.process import one_line_if_interrupted

if TYPE_CHECKING:
    from pix2z.survey_scale.partitions import Request
    from pix2z.survey_scale.run import RunEach, Summary, Survey

__all__ = ["DaskOption", "PartitionRowsOption", "Wanted", "predict_in_partitions"]

DaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="local|tcp://...",
        help="Estimate in partitions, by workers of Dask: of this machine (local, or local:N for N "
        "of them) or of a scheduler. --out and --pdf are folders then.",
    ),
]

PartitionRowsOption = Annotated[
    int | None,
    typer.Option(metavar="ROWS", help="Rows of a partition, with --dask.", show_default="65536"),
]

OF_PARTITIONS = Unit(lambda done, _: f"{done:,.0f} galaxies", GALAXIES.rate)
"""The total is told in partitions: both do not fit into a line."""

LISTED = 10
"""Failures that are named on the screen; the file has all."""


@dataclass(frozen=True)
class Wanted:
    """What `pix2z predict` is to write.

    positions : whether every galaxy must have ra and dec, for a HATS catalogue.
    """

    out: Path
    pdf: Path | None
    columns: tuple[str, ...]
    positions: bool


def predict_in_partitions(
    given: Given, pool: Path, wanted: Wanted, *, dask: str, partition_rows: int | None
) -> None:
    """Write a table for each partition of a file or a folder; parameters as options of predict.

    Raises
    ------
    Pix2zError
        Some galaxies have no redshifts; all others have.
    """
    from pix2z.ingest.source import files_apart
    from pix2z.saved.sealed import read_pool
    from pix2z.survey_scale.cluster import workers
    from pix2z.survey_scale.partitions import PARTITION_ROWS, Request
    from pix2z.survey_scale.run import folder_of_one_run

    out, pdf = wanted.out, wanted.pdf
    for folder in (out, pdf):
        refuse_input(folder, [given.path])
    if pdf is not None and pdf.resolve() == out.resolve():
        raise InputError(f"{pdf}: is the folder of tables; expected another one for the PDFs")
    request = Request(
        pool=pool.absolute(),
        model_digest=read_pool(pool)["digest"],
        tables=out.absolute(),
        pdfs=pdf.absolute() if pdf else None,
        mapping=given.mapping,
        ebv=given.ebv,
        ebv_key=given.ebv_key,
        layout=given.layout,
        check=given.check,
        columns=wanted.columns,
        positions=wanted.positions,
        partition_rows=PARTITION_ROWS if partition_rows is None else partition_rows,
    )
    n_files = len(files_apart(given.path))  # before a folder is made
    with (
        one_line_if_interrupted(lambda: _what_is_kept(out)),
        workers(dask) as run_each,
        folder_of_one_run(request.tables),  # after the workers, so that none is made in vain
        folder_of_one_run(request.pdfs) if request.pdfs else nullcontext(),
    ):
        survey = _look(given.path.absolute(), request, run_each, n_files)
        try:
            summary = _predict(survey, request, run_each)
        except Pix2zError as error:
            raise type(error)(f"{error}; {_what_is_kept(out)}") from error
    _say_failures(summary, out, hats=wanted.positions)


def _look(path: Path, request: "Request", run_each: "RunEach", n_files: int) -> "Survey":
    from pix2z.survey_scale.run import look

    with progress(FILES) as report:
        survey = look(path, request, run_each, lambda n: report("looked at", n, n_files))
    n_finished, n_all = len(survey.finished), len(survey.finished) + len(survey.to_do)
    readable = " that can be read" if survey.failures else ""
    if n_finished or not (survey.to_do or survey.failures):
        end = "." if survey.to_do else f"; {_places(request)}"
        say(f"{n_finished:,} of {n_all:,} partitions{readable} were finished before{end}")
    return survey


def _places(request: "Request") -> str:
    also = f", PDFs in {request.pdfs.name}" if request.pdfs else ""
    return f"redshifts in {request.tables.name}{also}"


def _predict(survey: "Survey", request: "Request", run_each: "RunEach") -> "Summary":
    from pix2z.catalogue.overview import DOUBTS
    from pix2z.survey_scale.run import predict

    n_before, n_to_do = len(survey.finished), len(survey.to_do)
    rows_before = sum(map(len, survey.finished))
    rows = rows_before + sum(map(len, survey.to_do))
    start = time.monotonic()
    with progress(OF_PARTITIONS) as report:

        def advance(summary: "Summary") -> None:
            made = n_before + summary.n_partitions
            failed = f", {len(summary.failures):,} failed" if summary.failures else ""
            note = f"{made:,} of {n_before + n_to_do:,} partitions{failed}"
            report("", rows_before + summary.n_rows, rows, note)

        report("", rows_before, rows)
        summary = predict(survey, request, run_each, advance)
    if summary.n_rows:
        say(f"{done(summary.n_rows, time.monotonic() - start)}; {_places(request)}")
        flagged = f"; {summary.flags}" if set(request.columns) >= DOUBTS else ""
        say_in_words(
            f"{summary.n_known:,} redshifts{flagged}. A worker took at most "
            f"{summary.peak_mib:,.0f} MiB of memory."
        )
    return summary


def _what_is_kept(out: Path) -> str:
    n = len(list(out.glob("part-*.parquet")))
    finished = number_of(n, "partition is", "partitions are")
    return f"{finished} finished in {out}; the same command goes on from there"


def _say_failures(summary: "Summary", out: Path, *, hats: bool) -> None:
    """Raise Pix2zError, after a line for each, where some galaxies have no redshifts."""
    from pix2z.survey_scale.run import FAILED

    if not summary.failures:
        return
    for failure in summary.failures[:LISTED]:
        say_in_words(f"left out: {failure}")
    lacking = number_of(len(summary.failures), "file or partition has", "files or partitions have")
    also = ", and makes the HATS catalogue only when none is left" if hats else ""
    raise Pix2zError(
        f"{lacking} no redshifts: {out / FAILED} says why; the same command tries again{also}"
    )
