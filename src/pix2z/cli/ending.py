"""How a long command ends before its time."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["INTERRUPTED", "ended_by_sigterm"]

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
