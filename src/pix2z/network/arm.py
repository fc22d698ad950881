"""The training of an arm: its seeds side by side, then their pool, then the pool's predictions.

This module needs no TensorFlow, which takes seconds to start: the process that it runs in may only
wait for those that train. What trains is in `member`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import PublishedCnnConfig, SoftmaxConfig
from pix2z.dataset.splits import Split, drawn_for
from pix2z.dataset.store import Galaxies
from pix2z.files import file_digest, source_digest, text_digest
from pix2z.network.pool import save_pool
from pix2z.network.sample_density import fit_sample_density
from pix2z.network.workers import RunTasks, processes_for, side_by_side
from pix2z.redshift_pdf.calibration import MOST_TEMPERATURE_ROWS, evenly_spread, fit_temperature
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Calibration
from pix2z.redshift_pdf.residual import fit_residual_pdf
from pix2z.saved.sample_density import SampleDensity

if TYPE_CHECKING:
    from pix2z.config.training import ArmTraining

__all__ = ["Curve", "PoolTraining", "train_arm", "training_code", "training_record"]

Curve = Callable[[int, dict[str, float]], None]
"""Called with (epoch, record) as each epoch ends."""


def training_code(*rooms: str) -> dict[str, str]:
    """Return what trains here: ``code``, a digest of the sources, and ``tensorflow``.

    `rooms` are those beyond what trains redshift networks.
    """
    code = source_digest("network", "saved", "dataset", "redshift_pdf", "imaging", *rooms)
    return {"code": code, "tensorflow": version("tensorflow")}


def training_record(training: "ArmTraining", *, galaxies: Path, rows: Path) -> dict[str, Any]:
    """Return what every network of an arm keeps of what it starts from, as JSON values.

    `training_key` is a digest over all of it but the seeds: the same key gives the same weights,
    so that a training can go on after a kill.

    Parameters
    ----------
    galaxies, rows : galaxies.h5 and the split.
    """
    digests, code = [file_digest(galaxies), file_digest(rows)], training_code()
    how = f"{training.settings!r} {training.pdf.model_dump()}"
    return {
        "arm": training.name,
        "selection": training.arm.selection,
        "training_key": text_digest(*digests, how, *code.values()),
        "inputs": {
            "galaxies_sha256": digests[0],
            "split_sha256": digests[1],
            "code_sha256": code["code"],
            "tensorflow": code["tensorflow"],
            "settings": training.settings.model_dump(mode="json"),
        },
    }


@dataclass(frozen=True)
class PoolTraining:
    """What the trainings of an arm share; it travels to other processes."""

    galaxies: Galaxies
    split: Split
    settings: SoftmaxConfig | PublishedCnnConfig
    """Of the one or the other architecture."""
    grid: RedshiftGrid
    models: Path
    """Folder of the pool; each network has one of its own in it."""
    checkpoints: Path
    """Folder of this training's own key; a killed training goes on from what is there."""
    record: Mapping[str, Any]
    """JSON-able facts kept with every network (arm, selection, keys)."""
    curve: Callable[[int], Curve]
    """Seed -> what to call after each epoch, such as live tracking; called in the process that
    trains, so it must be picklable where there are several."""

    def split_of(self, seed: int) -> Split:
        """Return the rows of one training: those of `equal_n` are drawn anew for each seed."""
        return drawn_for(self.split, self.galaxies.column("group_id"), training_seed=seed)

    @property
    def calibration_rows(self) -> NDArray[np.int64]:
        """Rows that calibrations are fitted on; evenly spread where there are more than needed."""
        rows = self.split.calibration
        if isinstance(self.settings, PublishedCnnConfig):
            return rows
        return evenly_spread(rows, most=MOST_TEMPERATURE_ROWS)

    def calibration(self, outputs: NDArray[Any]) -> Calibration:
        """Fit what turns raw outputs into PDFs, to those of the calibration rows.

        outputs : densities (n, K) of a softmax, which get a temperature; or redshifts (n,), whose
            residuals become PDFs.
        """
        z_spec = self.galaxies.column("specz_redshift", self.calibration_rows).astype(np.float64)
        if isinstance(self.settings, SoftmaxConfig):
            return fit_temperature(outputs, z_spec, grid=self.grid)
        n_phot_bins = self.settings.n_phot_bins
        return fit_residual_pdf(outputs, z_spec, grid=self.grid, n_phot_bins=n_phot_bins)


def train_arm(
    training: PoolTraining,
    seeds: Sequence[int],
    *,
    processes: int | None = 1,
    predict: tuple[Path, Split] | None = None,
) -> None:
    """Train every seed of an arm and save members and pool.

    Networks with a softmax are trained side by side with one thread each; the published CNN keeps
    all cores busy by itself, so that its seeds are trained one after the other in this process.

    Parameters
    ----------
    processes : see `workers.processes_for`; weights do not depend on it.
    predict : folder for the predictions of the pool, and the split whose rows are predicted: see
        `predictions.write_pool_predictions`. None: no predictions.
    """
    workers: AbstractContextManager[RunTasks] = nullcontext(map)
    if isinstance(training.settings, SoftmaxConfig):
        workers = side_by_side(processes_for(len(seeds), processes))
    with workers as run:
        outputs, densities = run(partial(_train_seed, training), seeds), run(_density, [training])
        total = sum(outputs, start=np.zeros(()))
        calibration = training.calibration(total / len(seeds))  # as a pool averages its members
        members = [f"seed-{seed}" for seed in seeds]
        save_pool(training.models, members, calibration, next(densities))
        if predict is not None:
            folder, rows = predict
            list(run(partial(_predict, training, folder), [rows]))


def _train_seed(training: PoolTraining, seed: int) -> NDArray[np.float64]:
    from pix2z.network.member import train_member  # TensorFlow, where it is needed

    return train_member(training, seed)


def _density(training: PoolTraining) -> SampleDensity | None:
    """Density of all galaxies that some seed may have been trained on."""
    return fit_sample_density(
        training.galaxies, train=training.split.trainable, calibration=training.calibration_rows
    )


def _predict(training: PoolTraining, folder: Path, rows: Split) -> None:
    from pix2z.network.estimator import load_pool
    from pix2z.network.predictions import write_pool_predictions

    write_pool_predictions(folder, load_pool(training.models), training.galaxies, rows)
