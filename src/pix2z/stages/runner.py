"""What stages share: logging, errors as one line with an exit code, and curves in MLflow."""

import logging
import os
from collections.abc import Callable

from rich.console import Console
from rich.logging import RichHandler

from pix2z import process

__all__ = ["live_curve", "run"]


def run(main: Callable[[], None]) -> None:
    """Run a stage's main; what a person can mend becomes one line on stderr and its exit code."""
    _log_for_people()
    process.run(main)


def live_curve(
    seed: int, *, arm: str, training_key: str, stage: str
) -> Callable[[int, dict[str, float]], None]:
    """Return what shows losses in MLflow as epochs end, see `tracking.live`.

    MLflow takes two seconds to start, which the process that trains spends: the one that only waits
    for trainings begins them at once.
    """
    from pix2z.tracking import live

    return live.curve_in_store(seed, arm=arm, training_key=training_key, stage=stage)


def _log_for_people() -> None:
    """Log in colour to a terminal, one plain line each to a file or pipe."""
    console = Console(stderr=True)
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    else:
        layout = "%(asctime)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, format=layout, datefmt="%H:%M:%S")
    # As many as it takes by itself, which it would log here and in every process that trains; where
    # a user says how many, it says nothing.
    if not {"OMP_NUM_THREADS", "NUMEXPR_NUM_THREADS"} & set(os.environ):
        os.environ.setdefault("NUMEXPR_MAX_THREADS", str(min(process.cores(), 16)))
