"""The training of arms: all their networks side by side, then each arm's pool and its predictions.

This module needs no TensorFlow, which takes seconds to start: the process that it runs in may only
wait for those that train. What trains is in `member`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import PublishedCnnConfig, SoftmaxConfig
from pix2z.dataset.splits import Split, drawn_for
from pix2z.dataset.store import Galaxies
from pix2z.files import file_digest, source_digest, text_digest
from pix2z.network.sample_density import fit_sample_density
from pix2z.network.workers import processes_for, side_by_side
from pix2z.redshift_pdf.calibration import MOST_TEMPERATURE_ROWS, evenly_spread, fit_temperature
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Calibration
from pix2z.redshift_pdf.residual import fit_residual_pdf

if TYPE_CHECKING:
    from pix2z.config.training import ArmTraining

__all__ = ["Arm", "Curve", "PoolTraining", "train_arms", "training_code", "training_record"]

LOG = logging.getLogger(__name__)

Curve = Callable[[int, dict[str, float]], None]
"""Called with (epoch, record) as each epoch ends."""

Outputs = NDArray[np.float64]
"""Raw outputs of a network for the calibration rows: densities (n, K), or redshifts (n,)."""


def training_code(*rooms: str) -> dict[str, str]:
    """Return what trains here: ``code``, a digest of the sources, and ``tensorflow``.

    `rooms` are those beyond what trains redshift networks.
    """
    code = source_digest("network", "saved", "dataset", "redshift_pdf", "imaging", *rooms)
    return {"code": code, "tensorflow": version("tensorflow")}


def training_record(training: "ArmTraining", *, galaxies_sha256: str, rows: Path) -> dict[str, Any]:
    """Return what every network of an arm keeps of what it starts from, as JSON values.

    `training_key` is a digest over all of it but the seeds: the same key gives the same weights,
    so that a training can go on after a kill.

    Parameters
    ----------
    galaxies_sha256 : digest of galaxies.h5.
    rows : the split.
    """
    digests, code = [galaxies_sha256, file_digest(rows)], training_code()
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


Arm = tuple[PoolTraining, Sequence[int]]
"""What the trainings of an arm share, and its seeds."""


def train_arms(
    arms: Sequence[Arm],
    *,
    processes: int | None = 1,
    predict: tuple[Path, Split] | None = None,
) -> None:
    """Train every seed of some arms, and save their members and pools.

    The networks of all arms are trained side by side, with one thread each.

    Parameters
    ----------
    processes : see `workers.processes_for`; weights do not depend on it.
    predict : folder for the predictions of the pools, each in a folder named as that of its
        networks, and the split whose rows are predicted: see `predictions.write_pool_predictions`.
        None: no predictions.
    """
    # The published CNN takes longest and comes first, so that no core is left alone with it.
    arms = sorted(arms, key=lambda arm: isinstance(arm[0].settings, SoftmaxConfig))
    tasks = [(training, seed) for training, seeds in arms for seed in seeds]
    with side_by_side(processes_for(len(tasks), processes)) as run:
        outputs = _counted(run(_train_seed, tasks), n=len(tasks))
        pooled = [_mean(islice(outputs, len(seeds)), n=len(seeds)) for _, seeds in arms]
        for _ in run(partial(_save_pool, predict=predict), zip(arms, pooled, strict=True)):
            pass


def _counted(outputs: Iterator[Outputs], *, n: int) -> Iterator[Outputs]:
    for done, of_network in enumerate(outputs, start=1):
        LOG.info("%d of %d networks are trained", done, n)
        yield of_network


def _mean(outputs: Iterable[Outputs], *, n: int) -> Outputs:
    """Return what a pool of `n` members gives."""
    return np.asarray(sum(outputs, start=np.zeros(())) / n)


def _train_seed(task: tuple[PoolTraining, int]) -> Outputs:
    from pix2z.network.member import train_member  # TensorFlow, where it is needed

    return train_member(*task)


def _save_pool(pooled: tuple[Arm, Outputs], *, predict: tuple[Path, Split] | None) -> None:
    """Save the pool of an arm, given its raw outputs for the calibration rows, and use it."""
    from pix2z.network.estimator import load_pool
    from pix2z.network.pool import save_pool
    from pix2z.network.predictions import write_pool_predictions

    (training, seeds), outputs = pooled
    density = fit_sample_density(  # of all galaxies that some seed may have been trained on
        training.galaxies, train=training.split.trainable, calibration=training.calibration_rows
    )
    members = [f"seed-{seed}" for seed in seeds]
    save_pool(training.models, members, training.calibration(outputs), density)
    if predict is not None:
        folder, split = predict
        pool = load_pool(training.models)
        write_pool_predictions(folder / training.models.name, pool, training.galaxies, split)
