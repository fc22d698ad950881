"""Redshifts of every galaxy of an open raw file, a batch of stamps at a time."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pix2z.catalogue.flags import FLAG_BLANK, blank_stamps
from pix2z.catalogue.stamps import usable_stamps
from pix2z.ingest.raw import RawSurvey
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = ["PixelsToRedshifts", "predict_survey"]


class PixelsToRedshifts(Protocol):
    """What `network.estimator.Estimator` offers."""

    @property
    def grid(self) -> RedshiftGrid:
        """Bins of the PDFs."""

    def estimate(self, images: NDArray[Any], ebv: NDArray[Any] | None = None) -> Redshifts:
        """Redshifts of images (n, 32, 32, 5), NaN where masked, and E(B-V) (n,)."""


def predict_survey(
    estimator: PixelsToRedshifts,
    survey: RawSurvey,
    *,
    ebv: float | None = None,
    batch_rows: int = 1024,
) -> Iterator[tuple[NDArray[np.int64], Redshifts]]:
    """Yield (rows, their redshifts) in the file's order, every row once.

    A galaxy without a pixel left in any band gets NaN for PDF and redshifts, and `FLAG_BLANK`.

    Parameters
    ----------
    ebv, batch_rows : as `stamps.usable_stamps` has them.
    """
    for rows, images, known in usable_stamps(survey, ebv=ebv, batch_rows=batch_rows):
        yield rows, _without(estimator.estimate(images, known), blank_stamps(images))


def _without(found: Redshifts, blank: NDArray[np.bool_]) -> Redshifts:
    """Take the redshifts and PDFs of blank stamps away."""
    if not blank.any():
        return found
    emptied: dict[str, Any] = {}
    for one in fields(found):
        if one.name not in ("grid", "flags"):
            emptied[one.name] = getattr(found, one.name).astype(np.float64)
            emptied[one.name][blank] = np.nan
    return replace(found, flags=found.flags | FLAG_BLANK * blank.astype(np.int32), **emptied)
