"""The seed's layout: `images` (N, 5, 32, 32), `specz_redshift`, optional `specz_redshift_err`.

The keys of the NERSC files (`ObjID`, `ra`, `dec`, `e_bv`) are read where present, and so is the
group `truth` of semi-real files.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from pix2z.sky.layouts.hdf5 import open_hdf5_survey
from pix2z.sky.layouts.raw import RawSurvey

__all__ = ["open_seed"]


def open_seed(path: str | Path) -> AbstractContextManager[RawSurvey]:
    """Open a file in the seed's layout; raises InputError as `open_hdf5_survey` does."""
    return open_hdf5_survey(path, stamp_side=32)
