"""Layouts by name."""

from contextlib import AbstractContextManager
from pathlib import Path

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.ingest.layouts.nersc import open_nersc
from pix2z.ingest.layouts.pasquet import open_pasquet
from pix2z.ingest.layouts.raw import RawSurvey
from pix2z.ingest.layouts.sdss32 import open_sdss32
from pix2z.ingest.layouts.user import open_user

__all__ = ["LAYOUTS", "open_raw"]

LAYOUTS = ("hdf5", "nersc", "pasquet", "sdss32")


def open_raw(
    path: str | Path,
    *,
    layout: str,
    mapping: Hdf5Mapping | None = None,
    ebv_key: str | None = None,
) -> AbstractContextManager[RawSurvey]:
    """Open one raw file in the layout of that name.

    Parameters
    ----------
    mapping : where layout hdf5 keeps things; its defaults if None. Other layouts take no notice.
    ebv_key : key or label column of E(B-V), where it is not the layout's own.
    """
    if layout == "hdf5":
        return open_user(path, mapping=mapping or Hdf5Mapping(), ebv_key=ebv_key)
    if layout == "nersc":
        return open_nersc(path, ebv_key=ebv_key)
    if layout == "pasquet":
        return open_pasquet(path, ebv_key=ebv_key)
    if layout == "sdss32":
        return open_sdss32(path, ebv_key=ebv_key)
    raise InputError(f"layout: expected one of {', '.join(LAYOUTS)}; received {layout!r}")
