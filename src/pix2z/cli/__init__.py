"""The command line: ``pix2z ...``; heavy imports happen inside commands."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from pix2z.cli.catalogue import catalogue
from pix2z.cli.export import export
from pix2z.cli.fetch import fetch
from pix2z.cli.finetune import finetune
from pix2z.cli.inspect import inspect
from pix2z.cli.predict import predict
from pix2z.cli.redshift import redshift
from pix2z.cli.registry import history, models, promote, rollback
from pix2z.cli.serve import serve
from pix2z.cli.spectrum import spectrum
from pix2z.cli.tune import tune
from pix2z.cli.which_model import RepoOption, in_repository
from pix2z.cli.workspace import workspace
from pix2z.process import run

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: pix2z inspect FILE, then pix2z predict FILE --out z.parquet",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("pix2z"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001  # answered before any command runs
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    repo: RepoOption = None,  # noqa: ARG001  # takes effect before any command runs
) -> None:
    """Galaxy redshifts from five-band image pixels."""


_FILES = "Your files: look, estimate, fetch"
_TRAINING = "Train"
_REGISTRY = "Models that are registered"

for _panel, _command, _example in (
    (_FILES, in_repository(inspect), "pix2z inspect mine.h5 --plot look.png"),
    (_FILES, in_repository(predict), "pix2z predict mine.h5 --out z.parquet --ebv 0.03"),
    (_FILES, in_repository(catalogue), "pix2z catalogue frame-*.bz2 --out field.parquet"),
    (_FILES, in_repository(spectrum), "pix2z spectrum mine.h5 --out spectra.hdf5"),
    (_FILES, redshift, "pix2z redshift spec-*.fits --out z.csv"),
    (_TRAINING, in_repository(finetune), "pix2z finetune mine.h5 --name myfield"),
    (_TRAINING, in_repository(tune), "pix2z tune --trials 100"),
    (_TRAINING, in_repository(workspace), "pix2z workspace build/quick --preset quick"),
    (_TRAINING, in_repository(export), "pix2z export full/seed-1 --out full.keras"),
    (_REGISTRY, in_repository(models), "pix2z models --wide"),
    (_REGISTRY, in_repository(promote), 'pix2z promote full --reason "sharper"'),
    (_REGISTRY, in_repository(rollback), 'pix2z rollback --reason "it drifts"'),
    (_REGISTRY, in_repository(history), "pix2z history --at 2026-11-27"),
    (_REGISTRY, in_repository(serve), "pix2z serve --port 5001"),
):
    app.command(rich_help_panel=_panel, epilog=f"Example: {_example}")(_command)
app.add_typer(fetch, name="fetch", rich_help_panel=_FILES)


def main() -> None:
    """Run a command; what a person can mend becomes one line on stderr and its exit code."""
    run(app)
