"""``pix2z fetch ...``: public data sets, downloaded so that nothing is fetched twice."""

from pathlib import Path
from typing import Annotated

import typer

from pix2z.cli.fetch_sdss import sdss
from pix2z.cli.process import INTERRUPTED

__all__ = ["fetch", "nersc"]

fetch = typer.Typer(
    help="Fetch public data sets; an interrupted download is resumed.", no_args_is_help=True
)
fetch.command()(sdss)


@fetch.command()
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

    from pix2z.archive.nersc import HDF5_SIGNATURE, NERSC_TERMS, NERSC_URL
    from pix2z.ingest.layouts.nersc import open_nersc

    _fetch(url or NERSC_URL, out, sha256=sha256, signature=HDF5_SIGNATURE, force=force)
    with open_nersc(out) as survey:
        n_redshifts = int(isfinite(survey.table.z_spec).sum())
        typer.echo(f"{len(survey.table)} galaxies, {n_redshifts} with a redshift.")
    typer.echo("Next, in params.yaml:\n")
    typer.echo(f"ingest:\n  source: {out}\n  layout: nersc\n")
    for sentence in NERSC_TERMS:
        typer.echo(sentence)


def _fetch(url: str, out: Path, *, sha256: str | None, signature: bytes, force: bool) -> None:
    """Download with progress on stderr, and say what is there; Ctrl-C ends in one line."""
    from pix2z.archive.download import download
    from pix2z.archive.transfer.partial_file import what_is_kept
    from pix2z.cli.display import BYTES, progress, shown_log

    there = out.exists() and not force
    try:
        with shown_log(), progress(BYTES) as report:
            record = download(
                url,
                out,
                sha256=sha256,
                signature=signature,
                progress=lambda now: report(now.stage, now.done, now.total),
                force=force,
            )
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {what_is_kept(out)}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    state = f"is there already, fetched {record.fetched}" if there else "fetched"
    typer.echo(f"{out}: {state}, {record.bytes / 1e9:.2f} GB, SHA-256 {record.sha256}")
