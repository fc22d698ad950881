"""What a study of the hybrid network is: its inputs, and how its trials are trained."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.tune import TuneConfig
from pix2z.dataset.splits import Split, read_split
from pix2z.dataset.store import galaxies_at
from pix2z.files import file_digest, source_digest, text_digest
from pix2z.network.workers import processes_for, side_by_side
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.tuning.trials import TrainTrials, Trial, WantedTrial

__all__ = ["GALAXIES", "ROWS", "hybrid_trials", "study_key"]

GALAXIES, ROWS = Path("data/galaxies.h5"), Path("data/splits/full.h5")


def study_key(tune: TuneConfig, hybrid: HybridConfig, pdf: PdfConfig, *, of: str) -> str:
    """Return a digest of what makes a study this one: data, rows, parameters, code; not its length.

    A study that changed in any of them starts anew, one that was killed goes on. `of` names who
    runs it, since no two may share a file.
    """
    parts = [file_digest(path) for path in (GALAXIES, ROWS)]
    parts += [tune.model_dump_json(exclude={"n_trials"})]  # more trials go on with the same study
    parts += [section.model_dump_json() for section in (hybrid, pdf)]
    parts += [source_digest("network", "dataset", "redshift_pdf", "imaging", "tuning")]
    return text_digest(of, *parts, version("tensorflow"))[:16]


@contextmanager
def hybrid_trials(
    tune: TuneConfig, hybrid: HybridConfig, pdf: PdfConfig, *, processes: int | None
) -> Iterator[TrainTrials]:
    """Yield what trains trials on training rows; calibration and test rows stay unseen.

    Parameters
    ----------
    processes : see `workers.processes_for`.
    """
    train = partial(_train, tune=tune, hybrid=hybrid, grid=RedshiftGrid(**pdf.model_dump()))
    with side_by_side(processes_for(min(tune.batch, tune.n_trials), processes)) as run:
        yield partial(run, train)


def _train(
    wanted: WantedTrial, *, tune: TuneConfig, hybrid: HybridConfig, grid: RedshiftGrid
) -> Trial:
    """Train one trial; one that diverges ends itself, not the study."""
    from pix2z.network.recipes import fit_hybrid_trial  # TensorFlow, where it is needed
    from pix2z.network.training import DivergedError, StopTraining

    curve: dict[int, float] = {}
    given_up = False

    def on_epoch(epoch: int, loss: float) -> None:
        nonlocal given_up
        curve[epoch] = loss
        if min(curve.values()) > wanted.limits.get(epoch, math.inf):
            given_up = True
            raise StopTraining

    start = time.monotonic()
    measured, split, moments = _inputs(GALAXIES, ROWS, hybrid)
    try:
        fit_hybrid_trial(
            measured,
            split,
            grid=grid,
            hybrid=hybrid.model_copy(update=wanted.settings),
            moments=moments,
            epochs=tune.epochs,
            seed=tune.seed,
            on_epoch=on_epoch,
        )
    except DivergedError:
        given_up = True
    loss = None if given_up else min(curve.values())
    return wanted.ended(curve, loss, time.monotonic() - start)


@cache
def _inputs(galaxies_path: Path, rows_path: Path, hybrid: HybridConfig) -> tuple[Any, Split, Any]:
    """Measure what every trial reads, and take its moments, once in each process."""
    from pix2z.network.measured import measured_galaxies
    from pix2z.network.recipes import feature_moments

    galaxies, split = galaxies_at(galaxies_path), read_split(rows_path)
    rows = np.concatenate([split.train, split.validation])
    measured = measured_galaxies(galaxies, hybrid, rows)
    return measured, split, feature_moments(measured, split.train, hybrid)
