"""What the seed's and NERSC's layout share: their keys, (N, 5, side, side), nanomaggies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.hdf5.opening import open_hdf5
from pix2z.hdf5.storage import has_key
from pix2z.imaging import BANDS, PIXEL_SCALE
from pix2z.ingest.layouts.columns import assemble
from pix2z.ingest.layouts.hdf5_columns import block_reader, image_dataset, read_columns, source_of
from pix2z.ingest.layouts.raw import RawFile, RawSurvey
from pix2z.ingest.layouts.units import require_nanomaggies

__all__ = ["KEYS", "TRUTH_KEYS", "open_standard"]

N_BANDS = len(BANDS)

KEYS = {
    "redshift": "specz_redshift",
    "redshift_error": "specz_redshift_err",
    "object_id": "ObjID",
    "ra": "ra",
    "dec": "dec",
    "ebv": "e_bv",
    "z_warning": "zwarning",
    "spectral_class": "class",
}
"""Columns by role; each is optional, but positions have both coordinates."""

TRUTH_KEYS = {"group_id": "truth/parent", "moved": "truth/moved", "seeing": "truth/psf_fwhm"}
"""What semi-real files know besides; all are there if `truth` is."""


@contextmanager
def open_standard(
    path: str | Path, *, layout: str, stamp_side: int, crop: slice, ebv_key: str | None
) -> Iterator[RawSurvey]:
    """Open a raw file whose `images` are (N, 5, stamp_side, stamp_side), read-only.

    Parameters
    ----------
    stamp_side : pixels on a side in the file.
    crop : pixels kept along both sides; the rest is never read.
    ebv_key : key of E(B-V), where it is not `e_bv`.

    Raises
    ------
    InputError
        The file is missing, damaged or no HDF5, `images` are missing or not in nanomaggies, or a
        shape or dtype is wrong.
    """
    with open_hdf5(path) as file:
        images = image_dataset(file, path, "images")
        if images.shape[1:] != (N_BANDS, stamp_side, stamp_side):
            expected = f"(N, {N_BANDS}, {stamp_side}, {stamp_side})"
            raise InputError(f"{path}: images: expected shape {expected}; received {images.shape}")
        unit = require_nanomaggies(file, images, path)
        n = len(images)
        columns = read_columns(file, path, _keys(file, path, ebv_key), n=n)
        no_redshift = f"none: key {KEYS['redshift']!r} is missing"
        whole = crop == slice(0, stamp_side)
        yield RawSurvey(
            path=Path(path),
            layout=layout,
            files=(RawFile(Path(path), n),),
            source=source_of(file, path),
            table=assemble(columns, n=n, path=path, no_redshift=no_redshift),
            converted={
                "axes": "channels first, moved last",
                "bands": f"assumed {' '.join(BANDS)}",
                "unit": unit,
                "pixel scale": f"assumed {PIXEL_SCALE} arcsec",
                "crop": "none" if whole else f"pixels {crop.start} to {crop.stop - 1} of each side",
            },
            read_images=block_reader(
                images, path, window=(slice(None), crop, crop), convert=_channels_last
            ),
        )


def _keys(file: h5py.File, path: str | Path, ebv_key: str | None) -> dict[str, str]:
    keys = {role: key for role, key in KEYS.items() if has_key(file, path, key)}
    if "ra" in keys or "dec" in keys:
        keys |= {"ra": KEYS["ra"], "dec": KEYS["dec"]}
    if has_key(file, path, "truth"):
        keys |= TRUTH_KEYS
    return keys | ({"ebv": ebv_key} if ebv_key else {})


def _channels_last(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # beyond float32 becomes inf, which is a bad row
        return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1), dtype=np.float32)
