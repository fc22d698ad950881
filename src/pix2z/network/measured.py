"""Stamps as the trained part of a network reads them: measured once, or as they come.

Masking, photometry and the binning of pixels hold no weights, yet take more time than all that is
trained. They do not depend on how a stamp is turned, but for the sky noise, which is that of the
stamp as it stands. So a training measures every stamp once and keeps what it needs of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import SoftmaxConfig
from pix2z.dataset.batches import Arrays, sequential_batches
from pix2z.dataset.store import Galaxies
from pix2z.network.architectures import measuring_model
from pix2z.network.backend import keras

__all__ = ["MeasuredGalaxies", "measured_galaxies"]

MOST_KEPT = 48_000
"""Galaxies whose measurements are kept, 250 MB: as much as a buffer of stamps. Of a larger sample
they are taken anew in every epoch, and no more memory is needed."""

BATCH = 1024

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class MeasuredGalaxies:
    """What a network reads of galaxies, whose other columns are in `galaxies`."""

    galaxies: Galaxies
    measuring: keras.Model
    rows: Rows
    """Of the galaxies that are kept, ascending; (0,) where the sample is too large."""
    kept: Arrays

    def read(self, rows: Rows) -> Arrays:
        """Measurements and E(B-V) of galaxies by name, (n, ...) each."""
        place = np.searchsorted(self.rows, rows)
        if np.array_equal(self.rows.take(place, mode="clip") if len(self.rows) else [], rows):
            return {name: values[place] for name, values in self.kept.items()}
        return _measure(self.galaxies, self.measuring, rows)


def measured_galaxies(
    galaxies: Galaxies, settings: SoftmaxConfig, rows: Rows, *, most: int = MOST_KEPT
) -> MeasuredGalaxies:
    """Measure the galaxies at `rows`, in any order, and keep that where they are at most `most`."""
    measuring, kept_rows = measuring_model(settings), np.sort(rows)
    if len(rows) > most:
        return MeasuredGalaxies(galaxies, measuring, kept_rows[:0], {})
    kept = _measure(galaxies, measuring, kept_rows)
    return MeasuredGalaxies(galaxies, measuring, kept_rows, kept)


def _measure(galaxies: Galaxies, measuring: keras.Model, rows: Rows) -> Arrays:
    batches = [
        measuring.predict_on_batch({"images": images})
        for images, _ in sequential_batches(galaxies, rows, batch_size=BATCH)
    ]
    measured = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return {**measured, "ebv": galaxies.column("ebv", rows)}
