"""``pix2z fetch sdss``: frames and spectra of a list of objects, made into one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.process import INTERRUPTED, ended_by_sigterm
from pix2z.errors import InputError

if TYPE_CHECKING:
    from pix2z.archive.sdss.assembly import Outcome

__all__ = ["sdss"]

NAMED = 20
"""Failures that are named on the terminal; all are in the report."""


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
    soften: Annotated[
        bool, typer.Option("--soften", help="Write softened pixels, which are no fluxes.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
) -> None:
    """Fetch SDSS frames and spectra of a list of objects, and cut them into one HDF5 file.

    The list needs the columns plate, mjd and fiberid; run2d, run, camcol,
    field, rerun and ebv are used where it has them. A galaxy that fails is
    named, with the reason also in NAME.failures.csv beside the file; the
    others go on. Run again, the command fetches only what is missing.
    """
    from pix2z.archive.sdss.addresses import BASE_URL, checked_base
    from pix2z.archive.sdss.assembly import fetch_galaxies
    from pix2z.archive.sdss.objects import read_objects
    from pix2z.archive.sdss.report import write_failures
    from pix2z.archive.sdss.terms import SDSS_TERMS
    from pix2z.cli.display import FILES, progress, shown_log

    out = out or objects.with_name("sdss.h5")
    if out.suffix not in (".h5", ".hdf5") or out.is_dir():
        raise InputError(f"{out}: expected the name of a file that ends in .h5 or .hdf5")
    cache = cache or out.with_name("sdss-files")
    base = checked_base(base_url or BASE_URL)
    listed = read_objects(objects)
    try:
        with ended_by_sigterm(), shown_log(), progress(FILES) as show:
            outcome = fetch_galaxies(
                listed,
                out,
                cache=cache,
                base_url=base,
                jobs=jobs,
                softened=soften,
                force=force,
                progress=lambda now: show(
                    now.doing, now.n_done, now.n_files, f"{now.n_bytes / 1e6:.1f} MB received"
                ),
            )
    except KeyboardInterrupt:
        kept = f"what has come is kept in {cache}, and the same command goes on from it"
        typer.echo(f"interrupted: {kept}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    report = write_failures(out, outcome.failures)
    n = outcome.n_galaxies + len(outcome.failures)
    if not outcome.n_galaxies:
        first = outcome.failures[0]
        raise InputError(
            f"{objects}: none of {n} galaxies could be made, so {out} is not written; the first, "
            f"{first.name}: {first.reason} (all reasons: {report})"
        )
    _show(outcome, out, report)
    typer.echo("Next, in params.yaml:\n")
    typer.echo(f"ingest:\n  source: {out}\n  layout: sdss32\n")
    for sentence in SDSS_TERMS:
        typer.echo(sentence)


def _show(outcome: "Outcome", out: Path, report: Path) -> None:
    n = outcome.n_galaxies + len(outcome.failures)
    fields = f"{outcome.n_fields} field{'s' if outcome.n_fields != 1 else ''}"
    typer.echo(f"{out}: {outcome.n_galaxies} of {n} galaxies, from {fields}")
    for band, count in outcome.absent.items():
        if count:
            typer.echo(f"  without a frame in {band}: {count}")
    if not outcome.failures:
        return
    typer.echo(f"{len(outcome.failures)} failed, also listed in {report}:")
    for failure in outcome.failures[:NAMED]:
        typer.echo(f"  row {failure.row}, {failure.name}: {failure.reason}")
    if len(outcome.failures) > NAMED:
        typer.echo(f"  and {len(outcome.failures) - NAMED} more")
