"""NERSC's layout: `images` (N, 5, 107, 107), of which the central 32 x 32 pixels are read.

107 is odd and 32 even, so no crop is centred exactly: pixels 37 to 68 of each axis are kept, as
``107 // 2 - 16 = 37`` gives. The middle pixel, 53, becomes pixel 16, half a pixel above the crop's
geometric centre, 15.5.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from pix2z.sky.layouts.hdf5 import open_hdf5_survey
from pix2z.sky.layouts.raw import RawSurvey

__all__ = ["CROP", "open_nersc"]

CROP = slice(37, 69)


def open_nersc(path: str | Path) -> AbstractContextManager[RawSurvey]:
    """Open a file in NERSC's layout; raises InputError as `open_hdf5_survey` does."""
    return open_hdf5_survey(path, stamp_side=107, crop=CROP)
