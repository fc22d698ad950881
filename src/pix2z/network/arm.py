"""The training of an arm: its seeds side by side, then their pool, then the pool's predictions.

This module needs no TensorFlow, which takes seconds to start: the process that it runs in may only
wait for those that train. What trains is in `member`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig, PublishedCnnConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.files import file_digest, source_digest, text_digest
from pix2z.network.saved_json import save_pool
from pix2z.network.workers import RunTasks, processes_for, side_by_side
from pix2z.redshift_pdf.calibration import MOST_TEMPERATURE_ROWS, evenly_spread
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import fit_calibration

if TYPE_CHECKING:
    from pix2z.config.training import ArmTraining

__all__ = ["Curve", "TrainingInputs", "train_arm", "training_code", "training_inputs"]

Curve = Callable[[int, dict[str, float]], None]
"""Called with (epoch, record) as each epoch ends."""


@dataclass(frozen=True)
class TrainingInputs:
    """What a training starts from: how, on which files, by which code.

    The same inputs give the same weights, so that a training can go on after a kill.
    """

    training: "ArmTraining"
    galaxies: str
    """SHA-256 of galaxies.h5."""
    rows: str
    """SHA-256 of the split."""
    code: str
    """SHA-256 over the sources of the package that train."""
    tensorflow: str
    """Its version."""

    @property
    def grid(self) -> RedshiftGrid:
        """The redshift bins."""
        return RedshiftGrid(**self.training.pdf.model_dump())

    @property
    def key(self) -> str:
        """Digest over all of it but the seeds."""
        how = f"{self.training.settings!r} {asdict(self.grid)}"
        return text_digest(self.galaxies, self.rows, how, self.code, self.tensorflow)

    @property
    def record(self) -> dict[str, Any]:
        """What every network of the arm keeps of it, as JSON values."""
        return {
            "arm": self.training.name,
            "selection": self.training.arm.selection,
            "training_key": self.key,
            "inputs": {
                "galaxies_sha256": self.galaxies,
                "split_sha256": self.rows,
                "code_sha256": self.code,
                "tensorflow": self.tensorflow,
                "settings": self.training.settings.model_dump(mode="json"),
            },
        }


def training_inputs(training: "ArmTraining", *, galaxies: Path, rows: Path) -> TrainingInputs:
    """Take the digests of the files, and of the code as it is here."""
    return TrainingInputs(
        training,
        galaxies=file_digest(galaxies),
        rows=file_digest(rows),
        **training_code(),
    )


def training_code(*rooms: str) -> dict[str, str]:
    """Return what trains here: ``code``, a digest of the sources, and ``tensorflow``.

    `rooms` are those beyond what trains redshift networks.
    """
    code = source_digest("network", "dataset", "redshift_pdf", "imaging.py", *rooms)
    return {"code": code, "tensorflow": version("tensorflow")}


@dataclass(frozen=True)
class _SeedTraining:
    """What `member.train_member` takes; it travels to another process."""

    galaxies: Galaxies
    split: Split
    architecture: str
    settings: HybridConfig | PublishedCnnConfig
    grid: RedshiftGrid
    seed: int
    calibration_rows: NDArray[np.int64]
    folder: Path
    checkpoint: Path
    record: Mapping[str, Any]
    curve: Callable[[int], Curve]


@dataclass(frozen=True)
class _PoolPrediction:
    """What is predicted once the pool of `models` is whole."""

    models: Path
    folder: Path
    galaxies: Galaxies
    rows: Split


def train_arm(
    galaxies: Galaxies,
    split: Split,
    *,
    architecture: str,
    settings: HybridConfig | PublishedCnnConfig,
    seeds: Sequence[int],
    grid: RedshiftGrid,
    models: Path,
    checkpoints: Path,
    record: Mapping[str, Any],
    curve: Callable[[int], Curve],
    processes: int | None = 1,
    predict: tuple[Path, Split] | None = None,
) -> None:
    """Train every seed of an arm and save members and pool under `models`.

    Hybrids are trained side by side with one thread each; the published CNN keeps all cores busy
    by itself, so that its seeds are trained one after the other in this process. The temperature of
    a network that gives PDFs is fitted on at most `MOST_TEMPERATURE_ROWS` calibration rows, evenly
    spread; each member's record says on how many (`n_calibration`).

    Parameters
    ----------
    checkpoints : folder of this training's own key; a killed training goes on from what is there.
    record : JSON-able facts kept with every member (arm, selection, keys).
    curve : seed -> what to call after each epoch, such as live tracking; called in the process that
        trains, so it must be picklable where there are several.
    processes : see `workers.processes_for`; weights do not depend on it.
    predict : folder for the predictions of the pool, and the split whose rows are predicted: see
        `predictions.write_pool_predictions`. None: no predictions.
    """
    rows = split.calibration
    if architecture == "hybrid":
        rows = evenly_spread(rows, most=MOST_TEMPERATURE_ROWS)
    z_calibration = galaxies.column("specz_redshift", rows).astype(np.float64)
    trainings = [
        _SeedTraining(
            galaxies=galaxies,
            split=split,
            architecture=architecture,
            settings=settings,
            grid=grid,
            seed=seed,
            calibration_rows=rows,
            folder=models / f"seed-{seed}",
            checkpoint=checkpoints / f"seed-{seed}.h5",
            record={**record, "seed": seed, "n_calibration": len(rows)},
            curve=curve,
        )
        for seed in seeds
    ]
    with _running(architecture, processes_for(len(seeds), processes)) as run:
        total = np.zeros(())
        for outputs in run(_train_seed, trainings):
            total = total + outputs
        pooled = total / len(seeds)  # as a pool averages its members
        n_phot_bins = None if isinstance(settings, HybridConfig) else settings.n_phot_bins
        calibration = fit_calibration(pooled, z_calibration, grid=grid, n_phot_bins=n_phot_bins)
        save_pool(models, [f"seed-{seed}" for seed in seeds], calibration)
        if predict is not None:
            folder, predicted = predict
            list(run(_predict, [_PoolPrediction(models, folder, galaxies, predicted)]))


@contextmanager
def _running(architecture: str, processes: int) -> Iterator[RunTasks]:
    """Yield what runs the trainings of this architecture."""
    if architecture != "hybrid":
        yield map
        return
    with side_by_side(processes) as run:
        yield run


def _train_seed(training: _SeedTraining) -> NDArray[Any]:
    from pix2z.network.member import train_member  # TensorFlow, where it is needed

    return train_member(**vars(training))


def _predict(wanted: _PoolPrediction) -> None:
    from pix2z.network.estimator import load_pool
    from pix2z.network.predictions import write_pool_predictions

    pool = load_pool(wanted.models)
    write_pool_predictions(wanted.folder, pool, wanted.galaxies, wanted.rows)
