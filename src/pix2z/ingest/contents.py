"""Which arrays a file holds that fits no layout, and how a mapping would find stamps in them."""

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pix2z.errors import InputError
from pix2z.files import is_fits
from pix2z.fits import opened_fits, reading_fits
from pix2z.hdf5 import open_hdf5, plain, reading
from pix2z.imaging import BANDS, STAMP_SIDE
from pix2z.imaging.names import bare
from pix2z.imaging.units import nanomaggies_in
from pix2z.ingest.attributes import unit_shown
from pix2z.ingest.fits_images import shown_name
from pix2z.ingest.npz import is_npy, open_npy, open_zip, read_header

__all__ = ["StoredArray", "file_contents", "suggested_mapping"]

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "redshift": ("redshift", "z", "zspec", "specz", "speczredshift", "zredshift", "ztrue"),
    "redshift_error": ("redshifterr", "redshifterror", "speczredshifterr", "zerr", "zerror"),
    "object_id": ("objectid", "objid", "id", "specobjid", "sourceid", "galaxyid"),
    "group_id": ("groupid", "group", "parent", "field", "healpix"),
    "ra": ("ra", "radeg", "alpha"),
    "dec": ("dec", "decdeg", "declination", "delta"),
    "ebv": ("ebv", "sfdebv"),
}
"""Entry of the mapping -> names a column may have, in lower case without punctuation."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file; `unit` is what its attributes say, None where they do not."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    is_number: bool
    unit: str | None = None


def file_contents(path: str | Path) -> tuple[StoredArray, ...]:
    """List the arrays and columns of a file, the largest first; none of their values is read.

    Raises
    ------
    InputError
        The file is missing or damaged, or none of HDF5, FITS, npz and npy.
    """
    path = Path(path)
    if path.is_file() and zipfile.is_zipfile(path):
        arrays = _npz_contents(path)
    elif path.is_file() and is_npy(path):
        with open_npy(path) as array:
            arrays = [_stored(array.name, array.shape, array.dtype, unit=None)]
    elif path.is_file() and is_fits(path):
        arrays = _fits_contents(path)
    else:
        with open_hdf5(path) as file, reading(path):
            arrays = _hdf5_contents(file, path)
    return tuple(sorted(arrays, key=lambda array: (-math.prod(array.shape), array.key)))


def suggested_mapping(contents: Sequence[StoredArray]) -> dict[str, Any] | None:
    """Guess the entries of `ingest.hdf5` that fit, by shapes and names; None without images.

    What cannot be known is left out: `unit` where no attribute names a flux density, and `bands`
    where there are fewer than five.
    """
    images = next((array for array in contents if _band_axis(array.shape) is not None), None)
    if images is None:
        return None
    mapping: dict[str, Any] = {"images": images.key}
    if images.shape[_band_axis(images.shape) or 0] == len(BANDS):
        mapping["bands"] = BANDS
    if images.unit and nanomaggies_in(images.unit):
        mapping["unit"] = images.unit
    n = images.shape[0]
    for entry, names in COLUMN_NAMES.items():
        fitting = [array.key for array in contents if array.shape == (n,) and array.is_number]
        called = {key: bare(key.rsplit("/", 1)[-1]) for key in fitting}
        ranked = sorted((names.index(name), key) for key, name in called.items() if name in names)
        if ranked:
            mapping[entry] = ranked[0][1]
    if ("ra" in mapping) != ("dec" in mapping):
        for entry in ("ra", "dec"):
            mapping.pop(entry, None)
    return mapping


def _hdf5_contents(file: h5py.File, path: Path) -> list[StoredArray]:
    arrays = []

    def visit(name: str | bytes, held: Any) -> None:
        key = name if isinstance(name, str) else plain(name.decode(errors="replace"))
        if isinstance(held, h5py.Dataset):
            unit = unit_shown(held, path)
            arrays.append(_stored(key, held.shape or (), held.dtype, unit=unit))

    file.visititems(visit)
    return arrays


def _fits_contents(path: Path) -> list[StoredArray]:
    arrays = []
    with reading_fits(path, "images"), opened_fits(path) as hdus:
        for number, hdu in enumerate(hdus):
            if hdu.is_image and hdu.shape:
                unit, bits = hdu.header.get("BUNIT"), hdu.header["BITPIX"]
                dtype = np.dtype(f"{'f' if bits < 0 else 'i'}{abs(bits) // 8}")
                arrays.append(_stored(shown_name(number, hdu), hdu.shape, dtype, unit=unit))
            elif not hdu.is_image:
                n = (hdu.header["NAXIS2"],)
                fields = [(name, hdu.columns.dtype[name]) for name in hdu.columns.names]
                arrays += [
                    _stored(name, (*n, *of.shape), of.base, unit=None) for name, of in fields
                ]
    return arrays


def _npz_contents(path: Path) -> list[StoredArray]:
    arrays = []
    with open_zip(path) as archive, reading(path):
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as member:
                    shape, _, dtype = read_header(member)
                arrays.append(_stored(name.removesuffix(".npy"), shape, dtype, unit=None))
    if not arrays:
        raise InputError(f"{path}: a zip without arrays; expected HDF5, FITS, npz or npy")
    return arrays


def _stored(
    key: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, unit: str | None
) -> StoredArray:
    return StoredArray(key, tuple(shape), str(dtype), dtype.kind in "fiu", unit)


def _band_axis(shape: tuple[int, ...]) -> int | None:
    """Axis that may be that of the bands, in stamps (N, B, side, side) or (N, side, side, B)."""
    if len(shape) == 4:
        for axis, sides in ((1, shape[2:]), (3, shape[1:3])):
            if 1 < shape[axis] <= len(BANDS) and sides[0] == sides[1] >= STAMP_SIDE:
                return axis
    return None
