"""All controls of one sample: fitted on training galaxies, used on the test galaxies.

A control is a name, what it sees of every galaxy (features), and a method that is fitted to them:
one more of them is one more call of `_control`. The report finds it by its file; its place and
words there are in `arm_files`, `contrasts`, `style` and report.md.j2.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pix2z.config.controls import ControlsConfig
from pix2z.controls import methods
from pix2z.controls.methods import Estimate, Method, Sample
from pix2z.controls.parameters import parameter_features, perturbed
from pix2z.dataset.store import Galaxies, prediction_columns
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS
from pix2z.redshift_pdf.qp_files import pdf_writer

__all__ = ["Control", "measured_controls", "parameter_controls", "write_control"]

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]
Rows = NDArray[np.int64]
Settings = TypeVar("Settings")

CHUNK_ROWS = 4096
"""Test galaxies whose PDFs are in memory at a time."""


@dataclass(frozen=True)
class Control:
    """A fitted control, the features (n, F) of the test galaxies, and what to report of it."""

    name: str
    estimate: Estimate
    features: Array
    report: Mapping[str, Any]


def measured_controls(
    features: Array,
    z_spec: Array,
    moved: NDArray[np.uint8],
    parts: Mapping[str, Rows],
    config: ControlsConfig,
    grid: RedshiftGrid,
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
    samples = _samples(features, z_spec, parts)
    started = time.process_time()
    unmoved = samples["train"].z_spec[moved[parts["train"]] == 0]
    estimate = methods.trainz(unmoved, grid)
    report = {"cpu_seconds": time.process_time() - started, "n_train": len(unmoved)}
    return [
        Control("trainz", estimate, samples["test"].features, report),
        _control("knn", methods.fit_knn, samples, config, grid),
        _control("trees", methods.fit_trees, samples, config, grid),
    ]


def parameter_controls(
    parameters: Mapping[str, Array],
    z_spec: Array,
    parts: Mapping[str, Rows],
    config: ControlsConfig,
    grid: RedshiftGrid,
) -> list[Control]:
    """Fit networks with a softmax to drawn parameters: noise-free, and perturbed by their errors.

    Parameters
    ----------
    parameters : name -> (N, ...), as `read_parameters` gives them for the rows of `parts`;
        without any there is no such control.
    """
    if not parameters or config.parameters is None:
        return []
    variants = {
        "parameters": parameters,
        "parameters_noisy": perturbed(parameters, seed=config.seed),
    }
    return [
        _control(
            name,
            methods.fit_softmax,
            _samples(parameter_features(values), z_spec, parts),
            config.parameters,
            grid,
        )
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
            with threadpool_limits(limits=1):
                density, z_phot = control.estimate(control.features[part])
            spent += time.process_time() - started
            columns = prediction_columns(galaxies, test_rows[part])
            writer.append(density, columns | {"z_phot": z_phot})
    return {**control.report, "cpu_seconds": control.report["cpu_seconds"] + spent}


def _samples(features: Array, z_spec: Array, parts: Mapping[str, Rows]) -> dict[str, Sample]:
    return {
        part: Sample(features[rows], z_spec[rows].astype(np.float64))
        for part, rows in parts.items()
    }


def _control(
    name: str,
    fit: Callable[[Mapping[str, Sample], Settings, RedshiftGrid], Method],
    samples: Mapping[str, Sample],
    settings: Settings,
    grid: RedshiftGrid,
) -> Control:
    started = time.process_time()
    # One thread: at this size more of them mostly wait for each other, and burn CPU doing so.
    with threadpool_limits(limits=1):
        method = fit(samples, settings, grid)
    report = {
        "cpu_seconds": time.process_time() - started,
        "n_train": len(samples["train"].z_spec),
    }
    chosen = ", ".join(f"{value} {key}" for key, value in method.chosen.items())
    logger.info("%s: %s, validation MAE %.4f", name, chosen, method.validation_mae)
    return Control(name, method.estimate, samples["test"].features, report)
