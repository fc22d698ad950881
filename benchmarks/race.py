"""CPU seconds (float32, imports excluded) until the hybrid is as good as the published recipe.

Both train on the same rows of data/galaxies.h5; the mark is the lowest validation MAE that the
published recipe reaches in its whole course, and the price is what each had spent on training when
it got there. The hybrid's validation passes, its feature moments and its compilation count too.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.config.networks import HybridConfig, PublishedCnnConfig
from pix2z.config.pdf import PdfConfig
from pix2z.dataset.splits import Split, read_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.errors import InputError
from pix2z.network.measured import measured_galaxies
from pix2z.network.recipes import (
    feature_moments,
    output_batches,
    published_recipe,
    softmax_recipe,
    uncalibrated,
)
from pix2z.network.training import StopTraining, TrainingState, fit
from pix2z.redshift_pdf.density import median
from pix2z.redshift_pdf.grid import RedshiftGrid


def bench_race() -> dict[str, Any]:
    """Run the published recipe to its end, then the hybrid until it has matched it."""
    if not Path("data/galaxies.h5").exists():
        raise InputError("data/galaxies.h5: no such file; run `dvc repro` first")
    split = read_split("data/splits/full.h5")
    with open_galaxies("data/galaxies.h5") as galaxies:
        seed = _seed(galaxies, split)
        hybrid = _hybrid(galaxies, split, mark=seed["best_validation_mae"])
    return {
        "published_recipe": seed,
        "hybrid": hybrid,
        "hybrid_share_of_cpu_to_best": hybrid["cpu_seconds"] / seed["cpu_seconds_to_best"],
        "hybrid_share_of_cpu_whole_course": hybrid["cpu_seconds"] / seed["cpu_seconds"],
    }


def _seed(galaxies: Galaxies, split: Split) -> dict[str, Any]:
    settings = PublishedCnnConfig.read().model_copy(update={"precision": "float32"})
    z_spec = galaxies.column("specz_redshift", split.validation)
    start = time.process_time()
    recipe = published_recipe(galaxies, split, settings=settings, seed=1)
    course: list[tuple[float, float]] = []

    def on_epoch(_state: TrainingState) -> None:
        spent = time.process_time() - start - sum(pause)
        before = time.process_time()
        outputs = output_batches(recipe.model, galaxies, split.validation)
        z_phot = np.concatenate([redshifts for redshifts, _ in outputs])
        course.append((float(np.abs(z_phot - z_spec).mean()), spent))
        pause.append(time.process_time() - before)

    pause: list[float] = []
    fit(recipe, on_epoch=on_epoch)
    best, spent = min(course)
    return {
        "best_validation_mae": best,
        "cpu_seconds_to_best": spent,
        "cpu_seconds": course[-1][1],
        "epochs": len(course),
    }


def _hybrid(galaxies: Galaxies, split: Split, *, mark: float) -> dict[str, Any]:
    settings = HybridConfig.read().model_copy(update={"precision": "float32"})
    grid = RedshiftGrid(**PdfConfig.read().model_dump())
    z_spec = galaxies.column("specz_redshift", split.validation)
    start = time.process_time()
    measured = measured_galaxies(
        galaxies, settings, np.concatenate([split.train, split.validation])
    )
    moments = feature_moments(measured, split.train, settings)
    recipe = softmax_recipe(measured, split, grid=grid, settings=settings, moments=moments, seed=1)
    course: list[tuple[float, float]] = []

    def on_epoch(_state: TrainingState) -> None:
        logits = recipe.model.predict(measured.read(split.validation), verbose=0)
        z_phot = median(uncalibrated(logits, grid), grid)
        course.append((float(np.abs(z_phot - z_spec).mean()), time.process_time() - start))
        if course[-1][0] <= mark:
            raise StopTraining

    fit(recipe, on_epoch=on_epoch)
    return {
        "validation_mae": course[-1][0],
        "reached": course[-1][0] <= mark,
        "cpu_seconds": course[-1][1],
        "epochs": len(course),
    }
