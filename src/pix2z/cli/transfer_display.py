"""How a download is shown: a bar on a terminal, a plain line now and then elsewhere; on stderr."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console
from rich.logging import RichHandler

from pix2z.archive.download import Progress

__all__ = ["LINE_EVERY", "logging_to_stderr", "on_bar", "plain_lines", "show_transfer"]

LINE_EVERY = 10.0
"""Seconds between two plain lines."""

logger = logging.getLogger("pix2z")

Report = Callable[[Progress], None]


@contextmanager
def show_transfer() -> Iterator[Report]:
    """Yield what to call with progress; meanwhile what pix2z logs is shown as well."""
    console = Console(stderr=True)
    with logging_to_stderr(console):
        if not console.is_terminal:
            yield plain_lines(logger.info)
            return
        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=console, transient=True) as bar:
            yield on_bar(bar)


def plain_lines(
    write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Return a callback that writes a line every `LINE_EVERY` seconds, with rate and time left.

    The rate is that since the line before; the first line is due `LINE_EVERY` after the first call.
    """
    begun: tuple[Progress, float] | None = None

    def report(now: Progress) -> None:
        nonlocal begun
        if begun is None or begun[0].stage != now.stage or now.done < begun[0].done:
            begun = (now, clock())
        elapsed = clock() - begun[1]
        if elapsed >= LINE_EVERY:
            write(_line(now, rate=(now.done - begun[0].done) / elapsed))
            begun = (now, clock())

    return report


def _line(now: Progress, *, rate: float) -> str:
    """Say how far a file is; rate in bytes per second."""
    of = "" if now.total is None else f" of {now.total / 1e9:.2f}"
    line = f"{now.stage}: {now.done / 1e9:.2f}{of} GB, {rate / 1e6:.1f} MB/s"
    if now.total is None or rate <= 0:
        return line
    return f"{line}, {math.ceil((now.total - now.done) / rate / 60)} min left"


def on_bar(bar: progress.Progress) -> Report:
    """Return a callback that moves `bar`, from where a stage begins, so that the rate is right."""
    task = bar.add_task("connecting", total=None)
    last = Progress("checking", 0, None)

    def report(now: Progress) -> None:
        nonlocal last
        if (now.stage, now.total) != (last.stage, last.total) or now.done < last.done:
            bar.reset(task, completed=now.done, total=now.total, description=now.stage)
        else:
            bar.update(task, completed=now.done)
        last = now

    return report


@contextmanager
def logging_to_stderr(console: Console) -> Iterator[None]:
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
