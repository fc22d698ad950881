"""The command line: ``pix2z ...``; heavy imports happen inside commands."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

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
from pix2z.cli.workspace import workspace
from pix2z.process import run

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
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
) -> None:
    """Galaxy redshifts from five-band image pixels."""


for _command in (
    export,
    finetune,
    history,
    inspect,
    models,
    predict,
    promote,
    redshift,
    rollback,
    serve,
    spectrum,
    tune,
    workspace,
):
    app.command()(_command)
app.add_typer(fetch, name="fetch")


def main() -> None:
    """Run a command; what a person can mend becomes one line on stderr and its exit code."""
    run(app)
