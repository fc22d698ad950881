"""Predictions of a pool and of each of its members for rows of galaxies.h5."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.store import Galaxies
from pix2z.network.estimator import BATCH, Estimator
from pix2z.network.redshifts import Calibration, redshifts
from pix2z.redshift_pdf.density import mix
from pix2z.redshift_pdf.predictions import Predictions

__all__ = ["predict_rows"]


def predict_rows(
    pool: Estimator, galaxies: Galaxies, rows: NDArray[np.int64]
) -> Iterator[tuple[str, Predictions]]:
    """Yield ("seed-<k>", its predictions) for each member, then ("pool", the pool's).

    Images are read once; only PDFs, (N, K) per member, are held.
    """
    raw: list[list[NDArray[np.float64]]] = [[] for _ in pool.members]
    for images, batch_rows in sequential_batches(galaxies, rows, batch_size=BATCH):
        ebv = galaxies.column("ebv", batch_rows)
        for batches, member in zip(raw, pool.members, strict=True):
            batches.append(member.raw(images, ebv))
    stacked = [np.concatenate(batches) for batches in raw]
    for member, outputs in zip(pool.members, stacked, strict=True):
        name = f"seed-{member.record['seed']}"
        yield name, _predictions(outputs, member.calibration, pool, galaxies, rows)
    yield "pool", _predictions(mix(stacked), pool.calibration, pool, galaxies, rows)


def _predictions(
    raw: NDArray[Any],
    calibration: Calibration,
    pool: Estimator,
    galaxies: Galaxies,
    rows: NDArray[np.int64],
) -> Predictions:
    flags = np.zeros(len(rows), np.int32)
    estimate = redshifts(raw, calibration, grid=pool.grid, flags=flags)
    return Predictions(
        grid=pool.grid,
        density=estimate.density.astype(np.float32),
        row=rows,
        object_id=galaxies.column("object_id", rows),
        group_id=galaxies.column("group_id", rows),
        z_spec=galaxies.column("specz_redshift", rows).astype(np.float64),
        z_phot=estimate.z_phot,
        mag_r=galaxies.column("mag_r", rows),
        ebv=galaxies.column("ebv", rows),
    )
