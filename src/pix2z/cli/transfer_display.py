"""How a transfer is shown: a bar on a terminal, a plain line now and then elsewhere; on stderr."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich import progress
from rich.console import Console
from rich.logging import RichHandler

from pix2z.archive.download import Progress

__all__ = ["on_bar", "plain_lines", "show_transfer"]

LINE_EVERY = 10.0
"""Seconds between two plain lines."""

logger = logging.getLogger("pix2z")

Unit = Literal["bytes", "files"]
Report = Callable[[Progress], None]


@contextmanager
def show_transfer(unit: Unit) -> Iterator[Report]:
    """Yield what to call with progress; meanwhile what pix2z logs is shown as well.

    unit : what is counted.
    """
    console = Console(stderr=True)
    with _logging_to(console):
        if not console.is_terminal:
            yield plain_lines(logger.info, unit)
            return
        amount: tuple[progress.ProgressColumn, ...] = (
            (progress.DownloadColumn(), progress.TransferSpeedColumn())
            if unit == "bytes"
            else (progress.MofNCompleteColumn(), progress.TextColumn("files"))
        )
        columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), *amount)
        with progress.Progress(
            *columns, progress.TimeRemainingColumn(), console=console, transient=True
        ) as bar:
            yield on_bar(bar)


def plain_lines(
    write: Callable[[str], None], unit: Unit, *, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Return a callback that writes a line every `LINE_EVERY` seconds, with the time left.

    The rate is that since the line before; the first line is due `LINE_EVERY` after the first call.
    """
    begun: tuple[Progress, float] | None = None

    def report(now: Progress) -> None:
        nonlocal begun
        if begun is None or begun[0].doing != now.doing or now.done < begun[0].done:
            begun = (now, clock())
        elapsed = clock() - begun[1]
        if elapsed >= LINE_EVERY:
            rate = (now.done - begun[0].done) / elapsed
            left = (now.total - now.done) / rate / 60 if now.total is not None and rate else None
            minutes = "" if left is None else f", {math.ceil(left)} min left"
            write(f"{now.doing}: {_amount(now, unit, rate)}{minutes}")
            begun = (now, clock())

    return report


def _amount(now: Progress, unit: Unit, rate: float) -> str:
    """Say how far something is; rate per second."""
    if unit == "files":
        return f"{now.done} of {now.total} files"
    of = "" if now.total is None else f" of {now.total / 1e9:.2f}"
    return f"{now.done / 1e9:.2f}{of} GB, {rate / 1e6:.1f} MB/s"


def on_bar(bar: progress.Progress) -> Report:
    """Return a callback that moves `bar`, from where a stage begins, so that the rate is right."""
    task = bar.add_task("connecting", total=None)
    last = Progress("connecting", 0, None)

    def report(now: Progress) -> None:
        nonlocal last
        if (now.doing, now.total) != (last.doing, last.total) or now.done < last.done:
            bar.reset(task, completed=now.done, total=now.total, description=now.doing)
        else:
            bar.update(task, completed=now.done)
        last = now

    return report


@contextmanager
def _logging_to(console: Console) -> Iterator[None]:
    """Show what pix2z logs: above a bar on a terminal, as plain lines elsewhere."""
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
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
