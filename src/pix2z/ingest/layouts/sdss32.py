"""The seed's layout: `images` (N, 5, 32, 32), `specz_redshift`, `specz_redshift_err`.

The keys of the NERSC files (`ObjID`, `ra`, `dec`, `e_bv`) are read where present, and so is the
group `truth` of semi-real files. Only `images` must be there.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from pix2z.imaging import STAMP_SIDE
from pix2z.ingest.layouts.raw import RawSurvey
from pix2z.ingest.layouts.standard import open_standard

__all__ = ["open_sdss32"]


def open_sdss32(
    path: str | Path, *, ebv_key: str | None = None
) -> AbstractContextManager[RawSurvey]:
    """Open a file in the seed's layout; raises InputError as `open_standard` does."""
    crop = slice(0, STAMP_SIDE)
    return open_standard(path, layout="sdss32", stamp_side=STAMP_SIDE, crop=crop, ebv_key=ebv_key)
