"""What commands show: results on stdout; on stderr, how far they are and what is logged.

In a terminal there are colours, bars and spinners. In a pipe there are plain lines that are not
broken, and a line now and then on how far a command is.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any, Protocol

from rich import progress as bars
from rich.cells import cell_len
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

__all__ = [
    "BYTES",
    "EPOCHS",
    "FILES",
    "GALAXIES",
    "Report",
    "Unit",
    "console",
    "number_of",
    "galaxies_progress",
    "page",
    "plain",
    "print_json",
    "print_table",
    "progress",
    "say",
    "say_in_words",
    "shown_log",
    "spinner",
    "table",
]

PIPE_WIDTH = 150
"""Of tables, whose lines shall not be broken."""

PAGE_WIDTH = 80

LEAST_PROSE = 20
"""Columns of a terminal that a sentence in a table has at least."""

MOST_SECONDS_LEFT = 120
"""Longer times are said in minutes."""


def console() -> Console:
    """Return a console on stdout; wide where it is a pipe, so that no line is broken."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def error_console() -> Console:
    """Return a console on stderr."""
    return Console(stderr=True, highlight=False)


@contextmanager
def page() -> Iterator[Console]:
    """Yield a console for a page of text; in a pipe as for 80 columns, no spaces at line ends."""
    if sys.stdout.isatty():
        yield console()
        return
    written = StringIO()
    yield Console(file=written, width=PAGE_WIDTH, highlight=False)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def say(line: str) -> None:
    """Print a line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def number_of(n: int, one: str, several: str) -> str:
    """Say how many there are, as "1 galaxy" and "1,200 galaxies"."""
    return f"1 {one}" if n == 1 else f"{n:,} {several}"


def say_in_words(sentences: str) -> None:
    """Print sentences: lines of a terminal end between words, those of a pipe are not broken."""
    console().print(plain(sentences), soft_wrap=not sys.stdout.isatty())


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    say(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return a table with these headings; those in `right` hold numbers."""
    headed = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        headed.add_column(column, justify="right" if column in right else "left")
    return headed


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    spare: Sequence[str] = (),
    prose: str = "",
    wide: bool = False,
) -> None:
    """Print a table that cuts no cell: where a terminal is too narrow, whole columns are left out.

    A terminal shows no column either that is empty in every row.

    Parameters
    ----------
    columns, rows : headings, and as many cells in each row.
    right : columns of numbers.
    spare : columns that may be left out, the least important first; a line says which were.
    prose : a column whose sentences may go on in the next line.
    wide : leave none out, whatever the width.
    """
    cells = {name: [plain(row[i]) for row in rows] for i, name in enumerate(columns)}
    widths = {n: max(cell_len(n), *(text.cell_len for text in cells[n])) for n in columns}
    out = console()
    is_whole = wide or not out.is_terminal
    if not is_whole:
        columns = [name for name in columns if any(cells[name])]
        spare = [name for name in spare if name in columns]
    if prose and not is_whole:
        words = " ".join(text.plain for text in cells[prose]).split()
        narrow = max(LEAST_PROSE, *map(cell_len, words), cell_len(prose))
        widths[prose] = min(widths[prose], narrow)
    kept = set(columns) if is_whole else set(columns) - set(spare)
    for name in reversed(spare):
        if _table_width(widths, kept | {name}) <= out.width:
            kept.add(name)
    left_out = [name for name in columns if name not in kept]
    shown = table(*(name for name in columns if name in kept), right=tuple(right))
    for column in shown.columns:
        column.no_wrap = column.header != prose
    for row in zip(*(cells[name] for name in columns if name in kept), strict=True):
        shown.add_row(*row)
    out.width = max(out.width, _table_width(widths, kept))
    out.print(shown)
    if left_out:
        out.print(f"Left out for want of width: {', '.join(left_out)} (--wide).", style="dim")


def _table_width(widths: Mapping[str, int], kept: Collection[str]) -> int:
    return sum(widths[name] for name in kept) + 2 * (len(kept) - 1)


def plain(text: str) -> Text:
    """Return text that others wrote, as in a store: no markup, no control characters."""
    return Text("".join(c if c.isprintable() else " " for c in text))


@contextmanager
def spinner() -> Iterator[Callable[[str], None]]:
    """Yield what to call with what is being done: a spinner in a terminal, nothing in a pipe."""
    shown = error_console()
    if not shown.is_terminal:
        yield lambda _: None
        return
    with shown.status("") as status:
        yield lambda words: status.update(words)


@contextmanager
def shown_log() -> Iterator[None]:
    """Show what pix2z logs: above a bar in a terminal, as plain lines in a pipe."""
    logger = logging.getLogger("pix2z")
    shown = error_console()
    handler: logging.Handler
    if shown.is_terminal:
        handler = RichHandler(console=shown, show_path=False, log_time_format="%H:%M:%S")
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@dataclass(frozen=True)
class Unit:
    """What is counted, and how it is said.

    counted : (done, total or None) -> words.
    rate : number per second -> words; None where nobody wants to know it.
    seconds_between_lines : in a pipe.
    """

    counted: Callable[[float, float | None], str]
    rate: Callable[[float], str] | None
    seconds_between_lines: float = 10.0


def _of(name: str) -> Callable[[float, float | None], str]:
    def counted(done: float, total: float | None) -> str:
        return f"{done:,.0f} {name}" if total is None else f"{done:,.0f} of {total:,.0f} {name}"

    return counted


def _gigabytes(done: float, total: float | None) -> str:
    return f"{done / 1e9:.2f}{'' if total is None else f' of {total / 1e9:.2f}'} GB"


GALAXIES = Unit(_of("galaxies"), "{:,.0f} per s".format)
FILES = Unit(_of("files"), None)
BYTES = Unit(_gigabytes, lambda rate: f"{rate / 1e6:.1f} MB/s")
EPOCHS = Unit(_of("epochs at most"), None, seconds_between_lines=0.0)


class Report(Protocol):
    """What to call with how far a command is."""

    def __call__(self, task: str, done: int, total: int | None, note: str = "") -> None:
        """Say that `done` of `total` units of `task` are done; `note` stands at the end."""


@contextmanager
def progress(unit: Unit) -> Iterator[Report]:
    """Yield what to call with how far each task is: a bar a task in a terminal, lines in a pipe.

    What is yielded may be called from any thread.
    """
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TextColumn("{task.fields[said]}"),
        bars.TimeRemainingColumn(),
    )
    shown = error_console()
    in_pipe = not shown.is_terminal
    with bars.Progress(*columns, console=shown, transient=True, disable=in_pipe) as bar:
        yield report_on(bar, unit)


@contextmanager
def galaxies_progress(n: int) -> Iterator[Callable[[int], None]]:
    """Yield what to call with the number of galaxies just done, n in all."""
    total = 0
    with progress(GALAXIES) as report:

        def advance(done: int) -> None:
            nonlocal total
            total += done
            report("", total, n)

        report("", 0, n)
        yield advance


def report_on(bar: bars.Progress, unit: Unit) -> Report:
    """Return what moves one line of `bar` for each task; where that is disabled it writes lines.

    A task that goes back, or gets another total, begins anew, so that a rate never counts what was
    there before.
    """
    tasks: dict[str, bars.TaskID] = {}
    written_at: dict[str, float] = {}

    def report(task: str, done: int, total: int | None, note: str = "") -> None:
        if task not in tasks:
            tasks[task] = bar.add_task(task, completed=done, total=total, said="")
        state = bar.tasks[tasks[task]]
        if done < state.completed or total != state.total:
            bar.reset(tasks[task], completed=done, total=total)
        bar.update(tasks[task], completed=done)
        rate = unit.rate(state.speed) if unit.rate and state.speed is not None else ""
        said = _joined(unit.counted(done, total), rate, note)
        bar.update(tasks[task], said=said)
        now = bar.get_time()
        if bar.disable and now - written_at.setdefault(task, now) >= unit.seconds_between_lines:
            written_at[task] = now
            begin = f"{time.strftime('%H:%M:%S')} {task}: " if task else time.strftime("%H:%M:%S ")
            sys.stderr.write(f"{begin}{_joined(said, _left(state.time_remaining))}\n")

    return report


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds <= MOST_SECONDS_LEFT:
        return f"{math.ceil(seconds)} s left"
    return f"{math.ceil(seconds / 60)} min left"
