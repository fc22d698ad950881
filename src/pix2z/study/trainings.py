"""The networks that the study trains, one file of scores each.

A finished training is never made again: its scores lie under a digest of all that it depends on,
and one that was killed goes on from its last epoch.
"""

import logging
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import PublishedCnnConfig, SoftmaxConfig
from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.evaluation.pdf_metrics import crps_values
from pix2z.files import atomic_path, text_digest
from pix2z.imaging import BANDS
from pix2z.network.arm import PoolTraining, training_code
from pix2z.network.workers import processes_for, side_by_side
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import calibrated
from pix2z.study.bands import all_subsets

__all__ = ["Training", "read_scores", "run_trainings"]

LOG = logging.getLogger(__name__)

BATCH = 1024


@dataclass(frozen=True)
class Training:
    """One network: what it learns from, and which bands its test galaxies are shown in.

    Attributes
    ----------
    name : in the log.
    galaxies, galaxies_sha256 : galaxies.h5 and its digest.
    split : training rows, which may repeat, and the other parts.
    every_subset : scores are for all subsets of the bands, as in `bands.all_subsets`; else for
        all bands only. The network is calibrated anew for each subset.
    """

    name: str
    galaxies: Path
    galaxies_sha256: str
    split: Split
    settings: SoftmaxConfig | PublishedCnnConfig
    grid: RedshiftGrid
    seed: int
    every_subset: bool = False

    def key(self) -> str:
        """Digest of all that the scores depend on."""
        rows = (text_digest(part.tobytes().hex()) for part in self.split.parts().values())
        how = f"{self.settings!r} {self.grid!r} {self.seed} {self.every_subset}"
        code = training_code("study/trainings.py", "evaluation/pdf_metrics.py").values()
        return text_digest(self.galaxies_sha256, *rows, how, *code)


def run_trainings(trainings: Iterable[Training], folder: Path, *, processes: int | None) -> None:
    """Train and score every network that `folder` has no scores of; each is made once.

    Parameters
    ----------
    processes : networks trained side by side, one thread each; see `workers.processes_for`.
    """
    missing = {t.key(): t for t in trainings if not _scores_file(folder, t).exists()}
    # Those that take longest first, so that no process is left alone with them at the end.
    tasks = sorted(missing.values(), key=lambda t: isinstance(t.settings, SoftmaxConfig))
    started = time.monotonic()
    with side_by_side(processes_for(len(tasks), processes)) as run:
        for done, name in enumerate(run(partial(_train_and_score, folder), tasks), start=1):
            left = (time.monotonic() - started) * (len(tasks) - done) / done / 60
            LOG.info("%s: %d of %d trainings, %.0f min left", name, done, len(tasks), left)


def read_scores(folder: Path, training: Training) -> NDArray[np.float64]:
    """Return the CRPS (S, n) of test galaxies for each subset of the bands, or for all bands."""
    scores: NDArray[np.float64] = np.load(_scores_file(folder, training))
    return scores


def _scores_file(folder: Path, training: Training) -> Path:
    return folder / training.key() / "crps.npy"


def _train_and_score(folder: Path, training: Training) -> str:
    from pix2z.network.estimator import load_member  # TensorFlow, where it is needed
    from pix2z.network.member import train_member

    scores = _scores_file(folder, training)
    place = scores.with_name("training")
    with open_galaxies(training.galaxies) as galaxies:
        pool = PoolTraining(
            galaxies=galaxies,
            split=training.split,
            settings=training.settings,
            grid=training.grid,
            models=place,
            checkpoints=place,
            record={"arm": training.name, "selection": training.split.selection},
            curve=lambda seed: lambda epoch, record: None,  # the study shows no live curves
        )
        train_member(pool, training.seed)
        member = load_member(place / f"seed-{training.seed}")
        shown = all_subsets(len(BANDS)) if training.every_subset else np.ones((1, len(BANDS)), bool)
        crps = np.stack([_crps(pool, member, bands) for bands in shown])
    with atomic_path(scores) as unfinished, unfinished.open("wb") as file:
        np.save(file, crps)
    shutil.rmtree(place)
    return f"{training.name} seed {training.seed}"


def _crps(pool: PoolTraining, member: Any, bands: NDArray[np.bool_]) -> NDArray[np.float64]:
    """CRPS (n,) of test galaxies that are shown in some bands, calibrated for just these."""

    def raw(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        parts = [member.raw(*stamps) for stamps in _masked(pool.galaxies, rows, bands)]
        return np.concatenate(parts)

    test = pool.split.test
    calibration = pool.calibration(raw(pool.calibration_rows))
    density, _ = calibrated(raw(test), calibration, grid=pool.grid)
    return crps_values(density, pool.grid, pool.galaxies.column("specz_redshift", test))


def _masked(
    galaxies: Galaxies, rows: NDArray[np.int64], bands: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    for images, batch in sequential_batches(galaxies, rows, batch_size=BATCH):
        images[..., ~bands] = np.nan
        yield images, galaxies.column("ebv", batch)
