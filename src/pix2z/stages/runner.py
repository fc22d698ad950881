"""What every stage does around its main: logging, and errors as one line with an exit code."""

import logging
import sys
from collections.abc import Callable

from rich.console import Console
from rich.logging import RichHandler

from pix2z.errors import Pix2zError

__all__ = ["run"]


def run(main: Callable[[], None]) -> None:
    """Run a stage's main; a Pix2zError becomes one line on stderr and its exit code.

    Errors that are not ours keep their stack trace: they are defects, to be seen.
    """
    _log_for_people()
    try:
        main()
    except Pix2zError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def _log_for_people() -> None:
    """Log in colour to a terminal, one plain line each to a file or pipe."""
    console = Console(stderr=True)
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    else:
        layout = "%(asctime)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, format=layout, datefmt="%H:%M:%S")
    # Its warnings of retraced functions count every model of a study or pool as one.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("numexpr").setLevel(logging.WARNING)
