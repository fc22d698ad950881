"""The command line: ``pix2z ...``; heavy imports happen inside commands."""

import sys

import typer

from pix2z.cli.export import export
from pix2z.cli.workspace import workspace
from pix2z.errors import Pix2zError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Galaxy redshifts from five-band image pixels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(workspace)
app.command()(export)


def main() -> None:
    """Run a command; a Pix2zError becomes one line on stderr and its exit code."""
    try:
        app()
    except Pix2zError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
