"""What commands on the registry share: the store, opened quietly, and tables."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pix2z.tracking.store import Store

__all__ = [
    "console",
    "minute",
    "plain",
    "print_json",
    "progress",
    "quiet_mlflow",
    "session",
    "table",
]

PIPE_WIDTH = 150

RETRIES = "2"
"""Of requests to a server; MLflow's own 7 keep a person waiting for minutes."""


@contextmanager
def session() -> Iterator["Store"]:
    """Open the store that is there, with MLflow's notices off the terminal."""
    from pix2z.tracking.store import existing_store

    quiet_mlflow()
    with existing_store() as store:
        yield store


def quiet_mlflow() -> None:
    """Keep MLflow's notices off the terminal, and its waiting for a server short.

    To be called after MLflow was imported, which sets its own level.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


def console() -> Console:
    """Return a console on stdout; wide where it is a pipe, so that no line is broken."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return a table with these headings; those in `right` hold numbers."""
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        found.add_column(column, justify="right" if column in right else "left")
    return found


def plain(text: str) -> Text:
    """Return text from a store that others write to: no markup, no control characters."""
    return Text("".join(c if c.isprintable() else " " for c in text))


def minute(seconds: float) -> str:
    """Return a time (seconds since 1970) in UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield what to call with what is being done: a spinner in a terminal, nothing in a pipe."""
    err = Console(stderr=True)
    if not err.is_terminal:
        yield lambda _: None
        return
    with err.status("") as status:
        yield lambda words: status.update(words)
