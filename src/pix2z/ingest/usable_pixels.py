"""Pixels that no image of the sky has, such as a program's sign for "none", taken as masked."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pix2z.imaging import LARGEST_PIXEL
from pix2z.ingest.checks import absent_as_nan
from pix2z.ingest.layouts.raw import RawSurvey

__all__ = ["usable_pixels"]


def usable_pixels(survey: RawSurvey) -> RawSurvey:
    """Return the survey with NaN for absent bands and for pixels beyond `LARGEST_PIXEL`."""

    def read_images(start: int, stop: int) -> NDArray[np.float32]:
        images = survey.read_images(start, stop)
        usable = np.abs(images) <= LARGEST_PIXEL
        if not usable.all():
            images = np.where(usable, images, np.float32(np.nan))
        return absent_as_nan(images)

    return replace(survey, read_images=read_images)
