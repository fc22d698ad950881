"""What a file of arrays holds, whatever its layout, and how a mapping would find it there."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pix2z.errors import InputError
from pix2z.hdf5.opening import open_hdf5, plain, reading, text_attribute
from pix2z.imaging import BANDS, STAMP_SIDE
from pix2z.ingest.layouts.units import nanomaggies_in

__all__ = ["StoredArray", "file_contents", "suggested_mapping"]


@dataclass(frozen=True)
class StoredArray:
    """An array in a file; `unit` is what its attributes say, None where they do not."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    is_number: bool
    unit: str | None = None


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

UNIT_ATTRIBUTES = ("unit", "units", "bunit", "BUNIT", "UNIT")


def file_contents(path: str | Path) -> tuple[StoredArray, ...]:
    """List the arrays of an HDF5 or npz file, the largest first; none of their values is read.

    Raises
    ------
    InputError
        The file is missing, damaged, or neither HDF5 nor npz.
    """
    path = Path(path)
    if path.is_file() and zipfile.is_zipfile(path):
        found = _npz_contents(path)
    else:
        with open_hdf5(path) as file, reading(path):
            found = _hdf5_contents(file, path)
    return tuple(sorted(found, key=lambda array: (-_size(array), array.key)))


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
        ranked = sorted((names.index(_plain(key)), key) for key in fitting if _plain(key) in names)
        if ranked:
            mapping[entry] = ranked[0][1]
    if ("ra" in mapping) != ("dec" in mapping):
        for entry in ("ra", "dec"):
            mapping.pop(entry, None)
    return mapping


def _hdf5_contents(file: h5py.File, path: Path) -> list[StoredArray]:
    found = []

    def visit(name: str | bytes, held: Any) -> None:
        key = name if isinstance(name, str) else plain(name.decode(errors="replace"))
        if isinstance(held, h5py.Dataset):
            units = (text_attribute(held, name, path) for name in UNIT_ATTRIBUTES)
            unit = next((text for text in units if text), None)
            found.append(_stored(key, held.shape or (), held.dtype, unit))

    file.visititems(visit)
    return found


def _npz_contents(path: Path) -> list[StoredArray]:
    found = []
    with reading(path), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".npy"):
                continue
            with archive.open(name) as member:
                major, _ = np.lib.format.read_magic(member)
                headers = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
                shape, _, dtype = headers[major > 1](member)
            found.append(_stored(name.removesuffix(".npy"), shape, dtype))
    if not found:
        raise InputError(f"{path}: neither HDF5 nor npz; expected one of them")
    return found


def _stored(
    key: str, shape: tuple[int, ...], dtype: np.dtype[Any], unit: str | None = None
) -> StoredArray:
    return StoredArray(key, tuple(shape), str(dtype), dtype.kind in "fiu", unit)


def _band_axis(shape: tuple[int, ...]) -> int | None:
    """Axis that may be that of the bands, in stamps (N, B, side, side) or (N, side, side, B)."""
    if len(shape) == 4:
        for axis, sides in ((1, shape[2:]), (3, shape[1:3])):
            if 1 < shape[axis] <= len(BANDS) and sides[0] == sides[1] >= STAMP_SIDE:
                return axis
    return None


def _plain(key: str) -> str:
    return "".join(letter for letter in key.rsplit("/", 1)[-1].lower() if letter.isalnum())


def _size(array: StoredArray) -> int:
    return int(np.prod(array.shape, dtype=np.int64))
