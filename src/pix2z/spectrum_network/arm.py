"""The training of spectrum arms: a network on all rows of each, and one for each of its folds.

A redshift reader must learn from spectra as bad as those it will see. So the training rows are cut
into folds, by group; each fold's spectra come from a network trained on the other folds.

This module needs no TensorFlow: the process that it runs in may only wait for those that train.
What trains is in `member`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig
from pix2z.config.spectrum import SpectrumArm, SpectrumConfig
from pix2z.dataset.spectra import Spectra
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.files import atomic_path
from pix2z.network.arm import Curve
from pix2z.network.workers import RunTasks
from pix2z.spectrum_network.shifts import ShiftGrid

__all__ = ["UNSEEN", "LearnBasis", "Part", "SpectrumTraining", "folds", "train_spectrum_arms"]

UNSEEN = "unseen.h5"
"""Groups train and validation: rows (n,), and flux (n, n_pixels) of `binned` reconstructions by
networks that were not trained on these rows."""

BLOCK_ROWS = 4096

Rows = NDArray[np.int64]
Array = NDArray[np.float64]
LearnBasis = Callable[[NDArray[np.float32], Array], tuple[Array, Array]]
"""Training spectra (n, L) and redshifts (n,) -> rest-frame wavelengths (M,), templates (J, M)."""


@dataclass(frozen=True)
class SpectrumTraining:
    """All that the trainings of an arm share; it travels to other processes."""

    galaxies: Galaxies
    spectra: Spectra
    split: Split
    arm: SpectrumArm
    settings: SpectrumConfig
    encoder: HybridConfig
    shifts: ShiftGrid
    learn_basis: LearnBasis
    folder: Path
    """Where the network is saved."""
    checkpoints: Path
    """Folder of this training's own key; a killed training goes on from what is there."""
    record: Mapping[str, Any]
    """JSON-able facts kept with the network (arm, selection, keys)."""
    curve: Callable[[], Curve]
    """Makes what is called after each epoch of the network on all rows, such as live tracking, in
    the process that trains it."""


@dataclass(frozen=True)
class Part:
    """One of the trainings of an arm, and what it leaves."""

    training: SpectrumTraining
    name: str
    """``all``, or the fold."""
    train_rows: Rows
    unseen_rows: Rows
    """Rows that it reconstructs for the redshift readers."""
    kept: bool
    """Whether the network is saved, and its curve told; folds are means to an end."""

    @property
    def unseen_path(self) -> Path:
        """File of the reconstructions (n, n_pixels)."""
        return self.training.checkpoints / f"unseen-{self.name}.h5"


def train_spectrum_arms(trainings: Sequence[SpectrumTraining], run: RunTasks = map) -> None:
    """Train, calibrate and save the network of each arm, and the out-of-fold spectra of its rows.

    Every training goes on from its last epoch after a kill.

    Parameters
    ----------
    run : runs the trainings, see `workers.side_by_side`; those of an arm are together
        `settings.folds` times as long as that on all its rows.
    """
    parts = [_parts(training) for training in trainings]
    for _ in run(_train, chain.from_iterable(parts)):
        pass
    for training, (whole, *others) in zip(trainings, parts, strict=True):
        with atomic_path(training.folder / UNSEEN) as partial, h5py.File(partial, "w") as file:
            _collect(file, "train", training.split.train, others)
            _collect(file, "validation", training.split.validation, [whole])


def _parts(training: SpectrumTraining) -> list[Part]:
    """Return the training on all rows of an arm, then those of its folds."""
    rows, n = training.split.train, training.settings.folds
    fold = folds(training.galaxies.column("group_id", rows), n=n, seed=training.arm.seed)
    whole = Part(training, "all", rows, training.split.validation, kept=True)
    others = [
        Part(training, f"fold-{k}", rows[fold != k], rows[fold == k], kept=False) for k in range(n)
    ]
    return [whole, *others]


def folds(group_id: Rows, *, n: int, seed: int) -> Rows:
    """Return the fold (N,) of each row, 0 to n - 1; rows of one group share theirs."""
    groups, index = np.unique(group_id, return_inverse=True)
    return np.random.default_rng([seed, n]).permutation(np.arange(len(groups)) % n)[index]


def _train(part: Part) -> None:
    from pix2z.spectrum_network.member import train_network  # TensorFlow, where it is needed

    train_network(part)


def _collect(file: h5py.File, name: str, rows: Rows, parts: list[Part]) -> None:
    """Bring what each part reconstructed into one group, in the order of `rows`, which rise."""
    file.create_dataset(f"{name}/rows", data=rows, track_times=False)
    n_pixels = parts[0].training.settings.boosting.n_pixels
    shape = (len(rows), n_pixels)
    flux = file.create_dataset(f"{name}/flux", shape, np.float32, track_times=False)
    for part in parts:
        places = np.searchsorted(rows, part.unseen_rows)
        with h5py.File(part.unseen_path, "r") as reconstructed:
            for start in range(0, len(places), BLOCK_ROWS):
                block = slice(start, start + BLOCK_ROWS)
                flux[places[block]] = reconstructed["flux"][block]
