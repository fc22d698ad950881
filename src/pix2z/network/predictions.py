"""Predictions of a pool and of each of its members for rows of galaxies.h5, batch by batch."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies, prediction_columns
from pix2z.network.estimator import BATCH, Estimator
from pix2z.redshift_pdf.density import mix
from pix2z.redshift_pdf.predictions import COLUMNS, Predictions, columns_of, write_parts_index
from pix2z.redshift_pdf.qp_files import pdf_writer
from pix2z.redshift_pdf.redshifts import calibrated

__all__ = ["predict_batches", "write_pool_predictions"]


def predict_batches(
    pool: Estimator, galaxies: Galaxies, rows: NDArray[np.int64]
) -> Iterator[dict[str, Predictions]]:
    """Yield "seed-<k>" for each member, and "pool" -> predictions of the next batch of rows.

    Images are read once; PDFs of one batch are held.
    """
    calibrations = [*(member.calibration for member in pool.members), pool.calibration]
    for images, batch in sequential_batches(galaxies, rows, batch_size=BATCH):
        columns = prediction_columns(galaxies, batch)
        raw = [member.raw(images, columns["ebv"]) for member in pool.members]
        estimates = {}
        for name, outputs, calibration in zip(
            _names(pool), [*raw, mix(raw)], calibrations, strict=True
        ):
            density, z_phot = calibrated(outputs, calibration, pool.grid)
            kept = density.astype(np.float32)
            estimates[name] = Predictions(pool.grid, kept, z_phot=z_phot, **columns)
        yield estimates


def write_pool_predictions(
    folder: str | Path, pool: Estimator, galaxies: Galaxies, split: Split
) -> None:
    """Write what a pool predicts for the rows that trained nothing in it.

    Under `folder`: pool.hdf5 and seed-<k>.hdf5 of each member for the test rows; validation.hdf5
    and calibration.hdf5 of the pool; last of all predictions.json, which ties the files to the
    digests of pool and test set. Each file appears whole or not at all.
    """
    folder = Path(folder)
    _write({name: folder / f"{name}.hdf5" for name in _names(pool)}, pool, galaxies, split.test)
    _write({"pool": folder / "validation.hdf5"}, pool, galaxies, split.validation)
    _write({"pool": folder / "calibration.hdf5"}, pool, galaxies, split.calibration)
    write_parts_index(folder, pool_digest=pool.digest, test_digest=split.test_digest)


def _write(
    files: Mapping[str, Path], pool: Estimator, galaxies: Galaxies, rows: NDArray[np.int64]
) -> None:
    """Write the predictions of pool or members, each to its file."""
    with ExitStack() as opened:
        writers = {
            name: opened.enter_context(pdf_writer(path, pool.grid, n=len(rows), columns=COLUMNS))
            for name, path in files.items()
        }
        for batch in predict_batches(pool, galaxies, rows):
            for name, writer in writers.items():
                writer.append(batch[name].density, columns_of(batch[name]))


def _names(pool: Estimator) -> list[str]:
    return [*(f"seed-{member.record['seed']}" for member in pool.members), "pool"]
