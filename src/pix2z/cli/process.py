"""What a command does to its process: how it ends before its time, and which greetings it hides."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

import typer

__all__ = ["ended_by_sigterm", "one_line_if_interrupted", "quiet_import"]

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let a batch system's SIGTERM end the block as an error does, with nothing left behind."""

    def end(signal_number: int, _: Any) -> None:
        raise SystemExit(128 + signal_number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def one_line_if_interrupted(what_is_kept: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C end the command with one line, which says what goes on from where."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {what_is_kept()}", err=True)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def quiet_import() -> Iterator[None]:
    """Hold back what is written to stderr while TensorFlow is imported; an error lets it through.

    TensorFlow 2.21 writes of processors and drivers before it looks at TF_CPP_MIN_LOG_LEVEL, from
    native code, so the file descriptor itself is turned aside.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
