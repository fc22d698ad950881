"""What a study of the hybrid network is: its inputs, and how one trial is trained."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.tune import TuneConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import file_digest, source_digest
from pix2z.network.recipes import feature_moments, fit_hybrid_trial
from pix2z.network.training import DivergedError
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.tuning.trials import Report, TrainTrial

__all__ = ["GALAXIES", "ROWS", "hybrid_trials", "study_parts"]

GALAXIES, ROWS = Path("data/galaxies.h5"), Path("data/splits/full.h5")


def study_parts(tune: TuneConfig, hybrid: HybridConfig, pdf: PdfConfig) -> list[str]:
    """Return what makes a study this one: data, rows, parameters, code; not its length."""
    parts = [file_digest(path) for path in (GALAXIES, ROWS)]
    parts += [tune.model_dump_json(exclude={"n_trials"})]  # more trials go on with the same study
    parts += [section.model_dump_json() for section in (hybrid, pdf)]
    parts += [source_digest("network", "dataset", "redshift_pdf", "sky/imaging.py", "tuning")]
    parts += [version("tensorflow")]
    return parts


@contextmanager
def hybrid_trials(tune: TuneConfig, hybrid: HybridConfig, pdf: PdfConfig) -> Iterator[TrainTrial]:
    """Yield what trains one trial on training rows; calibration and test rows stay unseen."""
    with open_galaxies(GALAXIES) as galaxies:
        split = read_split(ROWS)
        train = partial(fit_hybrid_trial, galaxies, split, epochs=tune.epochs, seed=tune.seed)
        moments = feature_moments(galaxies, split.train)
        train = partial(train, grid=RedshiftGrid(**pdf.model_dump()), moments=moments)

        def trial(settings: dict[str, Any], report: Report) -> float:
            try:
                return train(hybrid=hybrid.model_copy(update=settings), on_epoch=report)
            except DivergedError:
                return math.nan  # ends this trial, not the study

        yield trial
