"""Predictions of a pool and of each of its members for rows of galaxies.h5, batch by batch."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.store import Galaxies
from pix2z.network.estimator import BATCH, Estimator
from pix2z.redshift_pdf.density import mix
from pix2z.redshift_pdf.predictions import COLUMNS, Predictions, columns_of
from pix2z.redshift_pdf.qp_files import pdf_writer
from pix2z.redshift_pdf.redshifts import redshifts

__all__ = ["predict_batches", "write_pool_predictions"]


def predict_batches(
    pool: Estimator, galaxies: Galaxies, rows: NDArray[np.int64]
) -> Iterator[dict[str, Predictions]]:
    """Yield "seed-<k>" for each member, and "pool" -> predictions of the next batch of rows.

    Images are read once; PDFs of one batch are held.
    """
    calibrations = [*(member.calibration for member in pool.members), pool.calibration]
    for images, batch in sequential_batches(galaxies, rows, batch_size=BATCH):
        columns = _columns(galaxies, batch)
        raw = [member.raw(images, columns["ebv"]) for member in pool.members]
        flags = np.zeros(len(batch), np.int32)  # of the images; not part of predictions
        found = {}
        for name, outputs, calibration in zip(
            _names(pool), [*raw, mix(raw)], calibrations, strict=True
        ):
            estimate = redshifts(outputs, calibration, grid=pool.grid, flags=flags)
            density = estimate.density.astype(np.float32)
            found[name] = Predictions(
                grid=pool.grid, density=density, z_phot=estimate.z_phot, **columns
            )
        yield found


def write_pool_predictions(
    folder: str | Path, pool: Estimator, galaxies: Galaxies, rows: NDArray[np.int64]
) -> None:
    """Write seed-<k>.hdf5 of each member and pool.hdf5 into `folder`, all in one pass.

    Each file appears whole or not at all, and none where the prediction fails.
    """
    with ExitStack() as files:
        writers = {
            name: files.enter_context(
                pdf_writer(Path(folder) / f"{name}.hdf5", pool.grid, n=len(rows), columns=COLUMNS)
            )
            for name in _names(pool)
        }
        for batch in predict_batches(pool, galaxies, rows):
            for name, predictions in batch.items():
                writers[name].append(predictions.density, columns_of(predictions))


def _names(pool: Estimator) -> list[str]:
    return [*(f"seed-{member.record['seed']}" for member in pool.members), "pool"]


def _columns(galaxies: Galaxies, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Read what predictions say of the galaxies themselves, whatever the network."""
    return {
        "row": rows,
        "object_id": galaxies.column("object_id", rows),
        "group_id": galaxies.column("group_id", rows),
        "z_spec": galaxies.column("specz_redshift", rows).astype(np.float64),
        "mag_r": galaxies.column("mag_r", rows),
        "ebv": galaxies.column("ebv", rows),
    }
