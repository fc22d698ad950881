"""What is kept and said of a training's epochs."""

import logging
from typing import Any

import numpy as np

from pix2z.network.training import TrainingState

__all__ = ["history_columns", "log_epoch"]

_log = logging.getLogger(__name__)


def history_columns(state: TrainingState, *, n_train: int) -> dict[str, Any]:
    """Turn the records of a training into history.json: a list per column, and its totals."""
    columns = {name: [record[name] for record in state.history] for name in state.history[0]}
    cpu_seconds = columns.pop("cpu_seconds")
    return {
        "epoch": list(range(state.epoch)),
        **columns,
        "best_epoch": state.best_epoch,
        "cpu_seconds": sum(cpu_seconds),
        "n_train": n_train,
    }


def log_epoch(state: TrainingState, *, epochs: int, what: str) -> None:
    """Log the epoch that has just ended, and how long the rest will take at most."""
    last = state.history[-1]
    mean_seconds = float(np.mean([record["seconds"] for record in state.history]))
    _log.info(
        "%s: epoch %d of at most %d, loss %.4f, validation %.4f, at most %.0f s to go",
        what,
        state.epoch,
        epochs,
        last["loss"],
        last["val_loss"],
        mean_seconds * (epochs - state.epoch),
    )
