"""NERSC's layout: `images` (N, 5, 107, 107), of which the central 32 x 32 pixels are read.

107 is odd and 32 even, so no crop is centred exactly: pixels 37 to 68 of each axis are kept, as
``107 // 2 - 16 = 37`` gives. The middle pixel, 53, becomes pixel 16, half a pixel above the crop's
geometric centre, 15.5.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from pix2z.ingest.layouts.raw import RawSurvey
from pix2z.ingest.layouts.standard import open_standard

__all__ = ["CROP", "SIDE", "open_nersc"]

SIDE = 107
CROP = slice(37, 69)


def open_nersc(
    path: str | Path, *, ebv_key: str | None = None
) -> AbstractContextManager[RawSurvey]:
    """Open a file in NERSC's layout; raises InputError as `open_standard` does."""
    return open_standard(path, layout="nersc", stamp_side=SIDE, crop=CROP, ebv_key=ebv_key)
