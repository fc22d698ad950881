"""A training on record: its state on disk after every epoch, its lines in the log, its history.

A killed training goes on from the file and ends in the same weights, see `training`.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pix2z.files import atomic_path
from pix2z.network.training import Arrays, Recipe, TrainingState, fit

__all__ = ["fit_on_record", "history_columns", "load_state", "save_state"]

LOG = logging.getLogger(__name__)


def fit_on_record(
    recipe: Recipe,
    *,
    checkpoint: Path,
    curve: Callable[[int, dict[str, float]], None],
    what: str,
) -> TrainingState:
    """Train as `training.fit` does; go on from `checkpoint` where it is there.

    Parameters
    ----------
    checkpoint : file that holds the state after the last epoch.
    curve : called with (epoch, record) as each epoch ends.
    what : name of the training in the log.
    """

    def on_epoch(state: TrainingState) -> None:
        save_state(checkpoint, state)
        last = state.history[-1]
        curve(state.epoch - 1, last)
        seconds = float(np.mean([record["seconds"] for record in state.history]))
        LOG.info(
            "%s: epoch %d of at most %d, loss %.4f, validation %.4f, at most %.0f s to go",
            what,
            state.epoch,
            recipe.epochs,
            last["loss"],
            last["val_loss"],
            seconds * (recipe.epochs - state.epoch),
        )

    return fit(recipe, resume=load_state(checkpoint), on_epoch=on_epoch)


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state; a kill at any moment leaves the former file or the new one."""
    n_bytes = sum(array.nbytes for array in (*state.variables, *state.best))
    with atomic_path(path, n_bytes=n_bytes) as partial, h5py.File(partial, "w") as file:
        file.attrs["epoch"] = state.epoch
        file.attrs["history"] = json.dumps(state.history)
        for name, arrays in (("variables", state.variables), ("best", state.best)):
            group = file.create_group(name)
            for index, array in enumerate(arrays):
                group[f"{index:04d}"] = array


def load_state(path: Path) -> TrainingState | None:
    """Read the state; None where there is none."""
    if not path.exists():
        return None
    with h5py.File(path, "r") as file:
        return TrainingState(
            epoch=int(file.attrs["epoch"]),
            variables=_arrays(file["variables"]),
            best=_arrays(file["best"]),
            history=tuple(json.loads(file.attrs["history"])),
        )


def _arrays(group: h5py.Group) -> Arrays:
    return tuple(np.asarray(group[name]) for name in sorted(group))


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
