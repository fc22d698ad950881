"""``pix2z fetch ...``: public data sets, downloaded so that nothing is fetched twice."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.reading import check_output, refuse_input
from pix2z.errors import InputError
from pix2z.process import one_line_if_interrupted

if TYPE_CHECKING:
    from pix2z.archive.sdss_galaxies import Outcome

__all__ = ["fetch", "nersc", "sdss"]

MOST_FAILURES_SHOWN = 20
"""Failures that are named on the terminal; all are in the report."""

fetch = typer.Typer(
    help="Fetch public data sets; an interrupted download is resumed.", no_args_is_help=True
)


@fetch.command(epilog="Example: pix2z fetch sdss galaxies.csv --out sdss.h5")
def sdss(
    objects: Annotated[Path, typer.Argument(help="CSV of objects, as SkyServer writes it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write, .h5.", show_default="sdss.h5 beside the list"),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of what is fetched.", show_default="sdss-files beside --out"),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Files fetched at a time, 1 to 8.")] = 4,
    base_url: Annotated[
        str | None, typer.Option(help="Another server with the same paths; default: SDSS's.")
    ] = None,
    query_url: Annotated[
        str | None, typer.Option(help="Another search by SQL; default: that of SkyServer.")
    ] = None,
    soften: Annotated[
        bool, typer.Option("--soften", help="Write softened pixels, which are no fluxes.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
) -> None:
    """Fetch SDSS frames and spectra of a list of objects, and cut them into one HDF5 file.

    The list needs the columns plate, mjd and fiberid of spectra, or ra and dec
    in degrees: then SDSS's SkyServer is asked for the nearest object, its
    E(B-V), and its spectrum where it has one. run2d, run, camcol, field, rerun
    and ebv are used where the list has them. A galaxy that fails is named, with
    the reason also in NAME.failures.csv beside the file; the others go on. Run
    again, the command fetches only what is missing.
    """
    from pix2z.archive.addresses import SDSS_TERMS, SDSS_URL, SKYSERVER_URL
    from pix2z.archive.sdss_galaxies import failures_path, fetch_galaxies
    from pix2z.archive.sdss_list import read_objects
    from pix2z.cli.display import FILES, progress, shown_log

    out = out or objects.with_name("sdss.h5")
    check_output(out, ".h5", ".hdf5")
    cache = cache or out.with_name("sdss-files")
    listed = read_objects(objects)
    failed = failures_path(out)
    if failed.exists() and failed.samefile(objects):
        raise InputError(
            f"{failed}: is the list of objects, and {out} has what failed listed there; expected "
            "another name for --out or for the list"
        )
    refuse_input(out, [objects])
    with (
        one_line_if_interrupted(
            lambda: f"what has come is kept in {cache}, and the same command goes on from it"
        ),
        shown_log(),
        progress(FILES) as report,
    ):
        outcome = fetch_galaxies(
            listed,
            out,
            cache=cache,
            base_url=base_url or SDSS_URL,
            query_url=query_url or SKYSERVER_URL,
            jobs=jobs,
            softened=soften,
            force=force,
            progress=report,
        )
    _say_outcome(outcome, out)
    _say_next(out, layout="sdss32" if outcome.n_spectra else None, terms=SDSS_TERMS)


@fetch.command(epilog="Example: pix2z fetch nersc --out nersc.h5")
def nersc(
    out: Annotated[Path, typer.Option(help="File to write.")] = Path(
        "data/raw/sdss_w_specz_valid.h5"
    ),
    url: Annotated[str | None, typer.Option(help="Another address; default: NERSC's.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Digest that the file must have.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Fetch 102,993 SDSS galaxies with redshifts (Hayat et al. 2021), about 23.6 GB."""
    from numpy import isfinite

    from pix2z.archive.addresses import HDF5_SIGNATURE, NERSC_TERMS, NERSC_URL
    from pix2z.archive.download import download
    from pix2z.archive.partial_file import what_is_kept
    from pix2z.cli.display import BYTES, progress, shown_log
    from pix2z.ingest.source import open_source

    there = out.exists() and not force
    with one_line_if_interrupted(lambda: what_is_kept(out)), shown_log(), progress(BYTES) as report:
        record = download(
            url or NERSC_URL,
            out,
            sha256=sha256,
            signature=HDF5_SIGNATURE,
            progress=report,
            force=force,
        )
    state = f"is there already, fetched {record.fetched}" if there else "fetched"
    typer.echo(f"{out}: {state}, {record.bytes / 1e9:.2f} GB, SHA-256 {record.sha256}")
    with open_source(out, layout="nersc") as survey:
        n_redshifts = int(isfinite(survey.table.z_spec).sum())
        typer.echo(f"{len(survey.table)} galaxies, {n_redshifts} with a redshift.")
    _say_next(out, layout="nersc", terms=NERSC_TERMS)


def _say_outcome(outcome: "Outcome", out: Path) -> None:
    from pix2z.archive.sdss_galaxies import failures_path

    n = outcome.n_galaxies + len(outcome.failures)
    fields = f"{outcome.n_fields} field{'s' if outcome.n_fields != 1 else ''}"
    typer.echo(f"{out}: {outcome.n_galaxies} of {n} galaxies, from {fields}")
    if without := outcome.n_galaxies - outcome.n_spectra:
        typer.echo(f"  without a spectrum, and so without a redshift: {without}")
    for band, count in outcome.absent.items():
        if count:
            typer.echo(f"  without a frame in {band}: {count}")
    if not outcome.failures:
        return
    typer.echo(f"{len(outcome.failures)} failed, also listed in {failures_path(out)}:")
    for failure in outcome.failures[:MOST_FAILURES_SHOWN]:
        typer.echo(f"  row {failure.row}, {failure.name}: {failure.reason}")
    if len(outcome.failures) > MOST_FAILURES_SHOWN:
        typer.echo(f"  and {len(outcome.failures) - MOST_FAILURES_SHOWN} more")


def _say_next(out: Path, *, layout: str | None, terms: tuple[str, ...]) -> None:
    typer.echo(f"Next: {shlex.join(['pix2z', 'predict', str(out), '--out', 'z.csv'])}")
    if layout is not None:
        typer.echo("To train on it, in params.yaml:\n")
        typer.echo(f"ingest:\n  source: {out}\n  layout: {layout}\n")
    for sentence in terms:
        typer.echo(sentence)
