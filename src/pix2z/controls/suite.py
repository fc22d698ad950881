"""All controls of one sample: fitted on training galaxies, used on the test galaxies."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pix2z.controls.methods import (
    Method,
    Sample,
    fit_knn,
    fit_mlp,
    fit_trees,
    trainz_density,
)
from pix2z.controls.parameters import parameter_features, perturbed
from pix2z.dataset.store import Galaxies, prediction_columns
from pix2z.redshift_pdf.density import median
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS
from pix2z.redshift_pdf.qp_files import pdf_writer

__all__ = [
    "Control",
    "Settings",
    "measured_controls",
    "parameter_controls",
    "write_control",
]

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]
Rows = NDArray[np.int64]

CHUNK_ROWS = 4096
"""Test galaxies whose PDFs are in memory at a time."""


@dataclass(frozen=True)
class Settings:
    """What the methods are given.

    Attributes
    ----------
    grid : redshift bins of the PDFs.
    n_neighbours : candidates for kNN.
    tree_iterations, mlp_epochs : most rounds of the trees, most epochs of the perceptron.
    n_phot_bins : z_phot bins of residual PDFs.
    seed : of the methods and of the perturbed parameters.
    """

    grid: RedshiftGrid
    n_neighbours: tuple[int, ...]
    tree_iterations: int
    mlp_epochs: int
    n_phot_bins: int
    seed: int


@dataclass(frozen=True)
class Control:
    """A fitted control, and what to report of it.

    ``estimate(part)`` gives density (n, K) per unit redshift and z_phot (n,) of a slice of the test
    galaxies.
    """

    name: str
    estimate: Callable[[slice], tuple[Array, Array]]
    report: Mapping[str, Any]


def measured_controls(
    features: Array,
    z_spec: Array,
    moved: NDArray[np.uint8],
    parts: Mapping[str, Rows],
    settings: Settings,
) -> list[Control]:
    """trainZ, kNN and trees.

    Moved stamps train the latter two, but tilt n(z): trainZ is that of the unmoved ones.

    Parameters
    ----------
    features : (N, F) measured on the stamps.
    z_spec : (N,).
    moved : (N,), 1 where the redshift is not the parent's own.
    parts : rows of train, validation, calibration and test.
    """
    sample = _samples(features, z_spec, parts)
    unmoved = parts["train"][moved[parts["train"]] == 0]
    trainz = _trainz(z_spec[unmoved], settings.grid, n_test=len(parts["test"]))
    return [trainz, *(_control(name, (name,), sample, settings) for name in ("knn", "trees"))]


def parameter_controls(
    parameters: Mapping[str, Array], z_spec: Array, parts: Mapping[str, Rows], settings: Settings
) -> list[Control]:
    """Fit the best method to drawn parameters: noise-free, and perturbed by their errors.

    Parameters
    ----------
    parameters : name -> (N, ...), as `read_parameters` gives them for the rows of `parts`;
        without any there is no such control.
    """
    if not parameters:
        return []
    candidates = ("knn", "trees", "mlp")
    variants = {
        "parameters": parameters,
        "parameters_noisy": perturbed(parameters, seed=settings.seed),
    }
    return [
        _control(name, candidates, _samples(parameter_features(values), z_spec, parts), settings)
        for name, values in variants.items()
    ]


def write_control(
    folder: str | Path, control: Control, galaxies: Galaxies, test_rows: Rows, grid: RedshiftGrid
) -> dict[str, Any]:
    """Write <name>.hdf5 into `folder`, chunk by chunk; its report, with the CPU time of estimates.

    PDFs of one chunk are in memory.
    """
    path = Path(folder) / f"{control.name}.hdf5"
    spent = 0.0
    with pdf_writer(path, grid, n=len(test_rows), columns=COLUMNS) as writer:
        for start in range(0, len(test_rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            started = time.process_time()
            density, z_phot = control.estimate(part)
            spent += time.process_time() - started
            columns = prediction_columns(galaxies, test_rows[part])
            writer.append(density, columns | {"z_phot": z_phot})
    return {**control.report, "cpu_seconds": control.report["cpu_seconds"] + spent}


def _samples(features: Array, z_spec: Array, parts: Mapping[str, Rows]) -> dict[str, Sample]:
    return {
        part: Sample(features[rows], z_spec[rows].astype(np.float64))
        for part, rows in parts.items()
    }


def _trainz(z_train: Array, grid: RedshiftGrid, *, n_test: int) -> Control:
    started = time.process_time()
    once = trainz_density(z_train.astype(np.float64), grid, 1)
    z_phot = median(once, grid)

    def estimate(part: slice) -> tuple[Array, Array]:
        n = len(range(n_test)[part])
        return np.repeat(once, n, axis=0), np.repeat(z_phot, n)

    cpu_seconds = time.process_time() - started
    report = {"cpu_seconds": cpu_seconds, "n_train": len(z_train)}
    return Control(name="trainz", estimate=estimate, report=report)


def _control(
    name: str, candidates: tuple[str, ...], sample: Mapping[str, Sample], settings: Settings
) -> Control:
    """Fit the candidates and take the best on validation galaxies."""
    started = time.process_time()
    # One thread: at this size more of them mostly wait for each other, and burn CPU doing so.
    with threadpool_limits(limits=1):
        methods = [_fit(candidate, sample, settings) for candidate in candidates]
    best = min(methods, key=lambda method: method.validation_mae)
    features = sample["test"].features

    def estimate(part: slice) -> tuple[Array, Array]:
        with threadpool_limits(limits=1):
            return best.estimate(features[part])

    report = {
        "method": best.name,
        "chosen": dict(best.chosen),
        "validation_mae": {method.name: method.validation_mae for method in methods},
        "cpu_seconds": time.process_time() - started,
        "n_train": len(sample["train"].z_spec),
        "n_features": sample["train"].features.shape[1],
    }
    logger.info("%s: %s %s", name, best.name, dict(best.chosen))
    return Control(name=name, estimate=estimate, report=report)


def _fit(candidate: str, sample: Mapping[str, Sample], settings: Settings) -> Method:
    train, validation, calibration = (
        sample[part] for part in ("train", "validation", "calibration")
    )
    if candidate == "knn":
        return fit_knn(train, validation, grid=settings.grid, n_neighbours=settings.n_neighbours)
    if candidate == "trees":
        return fit_trees(
            train,
            validation,
            calibration,
            grid=settings.grid,
            most_rounds=settings.tree_iterations,
            n_phot_bins=settings.n_phot_bins,
            seed=settings.seed,
        )
    return fit_mlp(
        train,
        validation,
        calibration,
        grid=settings.grid,
        most_epochs=settings.mlp_epochs,
        n_phot_bins=settings.n_phot_bins,
        seed=settings.seed,
    )
