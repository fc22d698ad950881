"""How a fetch of many files is shown: a bar on a terminal, a plain line now and then elsewhere."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console

from pix2z.archive.sdss.assembly import FilesProgress
from pix2z.cli.transfer_display import LINE_EVERY, logging_to_stderr

__all__ = ["file_lines", "on_bar", "show_files"]

logger = logging.getLogger("pix2z")

Report = Callable[[FilesProgress], None]


@contextmanager
def show_files() -> Iterator[Report]:
    """Yield what to call with progress, from any thread; what pix2z logs is shown as well."""
    console = Console(stderr=True)
    with logging_to_stderr(console):
        if not console.is_terminal:
            yield file_lines(logger.info)
            return
        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("files, {task.fields[received]}"),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=console, transient=True) as bar:
            yield on_bar(bar)


def file_lines(
    write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Return a callback that writes a line every `LINE_EVERY` seconds, with rate and time left."""
    begun = last = (FilesProgress("", 0, 0, 0), clock())

    def report(now: FilesProgress) -> None:
        nonlocal begun, last
        if now.doing != begun[0].doing:
            begun = last = (now, clock())
        elapsed = clock() - last[1]
        if elapsed < LINE_EVERY:
            return
        rate = (now.n_bytes - last[0].n_bytes) / elapsed
        line = f"{now.doing}: {now.n_done} of {now.n_files} files, {_received(now)}"
        line += f", {rate / 1e6:.1f} MB/s"
        n_new = now.n_done - begun[0].n_done
        if n_new:
            left = (clock() - begun[1]) * (now.n_files - now.n_done) / n_new
            line += f", {math.ceil(left / 60)} min left"
        write(line)
        last = (now, clock())

    return report


def on_bar(bar: progress.Progress) -> Report:
    """Return a callback that moves a line of `bar` for each kind of files."""
    tasks: dict[str, progress.TaskID] = {}

    def report(now: FilesProgress) -> None:
        if now.doing not in tasks:
            tasks[now.doing] = bar.add_task(now.doing, total=now.n_files, received="")
        bar.update(tasks[now.doing], completed=now.n_done, received=_received(now))

    return report


def _received(now: FilesProgress) -> str:
    return f"{now.n_bytes / 1e6:.1f} MB received"
