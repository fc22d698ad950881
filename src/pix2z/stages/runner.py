"""What every stage does around its main: logging, and errors as one line with an exit code."""

import logging
from collections.abc import Callable

from rich.console import Console
from rich.logging import RichHandler

from pix2z import process

__all__ = ["run"]


def run(main: Callable[[], None]) -> None:
    """Run a stage's main; what a person can mend becomes one line on stderr and its exit code."""
    _log_for_people()
    process.run(main)


def _log_for_people() -> None:
    """Log in colour to a terminal, one plain line each to a file or pipe."""
    console = Console(stderr=True)
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    else:
        layout = "%(asctime)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, format=layout, datefmt="%H:%M:%S")
    logging.getLogger("numexpr").setLevel(logging.WARNING)
