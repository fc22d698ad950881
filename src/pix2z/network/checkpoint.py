"""A TrainingState as one HDF5 file, written atomically, so that a killed training can go on."""

import json
from pathlib import Path

import h5py
import numpy as np

from pix2z.files import atomic_path
from pix2z.network.training import Arrays, TrainingState

__all__ = ["load_state", "save_state"]


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state; a kill at any moment leaves the former file or the new one."""
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
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
