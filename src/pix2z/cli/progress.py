"""How far a command is: a bar in a terminal, a line now and then in a pipe, on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["galaxies_progress"]

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def galaxies_progress(n: int) -> Iterator[Callable[[int], None]]:
    """Yield what to call with the number of galaxies just done, n in all."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(n)
        return
    columns = (
        TextColumn("galaxies"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=n)
        yield lambda done: progress.advance(task, done)


class _Rate(ProgressColumn):
    """Galaxies per second."""

    def render(self, task: Task) -> Text:
        """Show the speed of the last seconds."""
        return Text(f"{task.speed:,.0f} per s" if task.speed else "")


def _lines(n: int) -> Callable[[int], None]:
    """One plain line every ten seconds."""
    start = last = time.monotonic()
    total = 0

    def advance(done: int) -> None:
        nonlocal total, last
        total += done
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES:
            return
        last, rate = now, total / (now - start)
        left = (n - total) / rate
        sys.stderr.write(f"{total:,} of {n:,} galaxies, {rate:,.0f} per s, {left:.0f} s left\n")

    return advance
