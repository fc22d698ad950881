"""How far trainings are: a bar in a terminal, a line per epoch in a pipe, on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["epochs_progress"]

OnEpoch = Callable[[int, dict[str, float]], None]


@contextmanager
def epochs_progress(epochs: int) -> Iterator[Callable[[int], OnEpoch]]:
    """Yield seed -> what to call with (epoch, losses) after each of at most `epochs` epochs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda seed: _lines(seed, epochs)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield lambda seed: _bar(progress, seed, epochs)


def _lines(seed: int, epochs: int) -> OnEpoch:
    def show(epoch: int, losses: dict[str, float]) -> None:
        sys.stderr.write(f"{_words(seed, losses)}, epoch {epoch + 1} of at most {epochs}\n")

    return show


def _bar(progress: Progress, seed: int, epochs: int) -> OnEpoch:
    task = progress.add_task(f"seed {seed}", total=epochs)

    def show(epoch: int, losses: dict[str, float]) -> None:
        progress.update(task, completed=epoch + 1, description=_words(seed, losses))

    return show


def _words(seed: int, losses: dict[str, float]) -> str:
    return f"seed {seed}: loss {losses['loss']:.4f}, validation {losses['val_loss']:.4f}"
