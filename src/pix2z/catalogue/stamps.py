"""Stamps of every galaxy of an open raw file, with their E(B-V), a batch at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pix2z.ingest.checks import usable_pixels
from pix2z.ingest.raw import RawSurvey

__all__ = ["usable_stamps"]


def usable_stamps(
    survey: RawSurvey, *, ebv: float | None = None, batch_rows: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]]:
    """Yield (rows, images, E(B-V)) in the file's order, every row once.

    Impossible pixels (`ingest.checks.usable_pixels`) are NaN, as masked ones are.

    Parameters
    ----------
    ebv : E(B-V) in magnitudes of all galaxies; None takes each galaxy's own from the file, where
        one that is negative or not finite is NaN.
    batch_rows : stamps in memory at a time.
    """
    n, read_images = len(survey.table), usable_pixels(survey).read_images
    known = survey.table.ebv if ebv is None else np.full(n, ebv, np.float32)
    known = np.where(np.isfinite(known) & (known >= 0), known, np.float32(np.nan))
    for start in range(0, n, batch_rows):
        rows = np.arange(start, min(start + batch_rows, n))
        yield rows, read_images(start, int(rows[-1]) + 1), known[rows]
