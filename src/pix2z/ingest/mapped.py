"""Stamps and columns that a mapping names, as one survey; and HDF5 files read through a mapping.

A user's mapping comes from params.yaml or the command line; the layouts that pix2z knows are values
of `layouts`. Columns are read whole and pixels by range of rows, so that memory does not grow with
the pixels.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.files import as_text
from pix2z.hdf5 import find_dataset, has_key, open_hdf5, reading
from pix2z.imaging import BANDS
from pix2z.ingest.attributes import Said, read_attributes
from pix2z.ingest.columns import ROLES, Column, assemble, check_column
from pix2z.ingest.conversion import Conversion, converted, in_words, plan_conversion
from pix2z.ingest.layouts import KnownMapping
from pix2z.ingest.npz import Member
from pix2z.ingest.raw import RawFile, RawSurvey
from pix2z.ingest.units import flux_of, require_nanomaggies

__all__ = ["StoredImages", "check_images", "open_mapped", "survey_of"]

BLOCK_ROWS = 64
"""Stamps that are converted at a time."""


StoredImages: TypeAlias = "h5py.Dataset | Member"
"""Stamps in a file: of shape and dtype, read by slices."""


@contextmanager
def open_mapped(
    path: str | Path, *, layout: str, mapping: Hdf5Mapping, ebv_key: str | None = None
) -> Iterator[RawSurvey]:
    """Open an HDF5 file that keeps things where `mapping` says, read-only.

    Parameters
    ----------
    layout : name of the mapping.
    ebv_key : key of E(B-V), before that of the mapping.

    Raises
    ------
    InputError
        The file is missing, damaged or no HDF5; a key that must be there is missing; a shape or
        dtype is wrong; axes or unit are not known; or the stamps are too small.
    """
    with open_hdf5(path) as file:
        images = find_dataset(file, path, mapping.images)
        said = read_attributes(file, images, path)
        check_images(images, said, path, mapping)
        keys = _keys(file, path, mapping) | ({"ebv": ebv_key} if ebv_key else {})
        columns = _read_columns(file, path, keys, n=len(images), bands=mapping.bands)
        yield survey_of(path, images, columns, said, layout=layout, mapping=mapping)


def survey_of(
    path: str | Path,
    images: StoredImages,
    columns: Mapping[str, Column],
    said: Said,
    *,
    layout: str,
    mapping: Hdf5Mapping,
) -> RawSurvey:
    """Make a survey of the stamps and the columns (role -> column) of an open file.

    Parameters
    ----------
    images : checked before by `check_images`.
    said : what the file says of itself.
    mapping : axes, bands, unit and pixel scale of the stamps.

    Raises
    ------
    InputError
        Axes or unit are not known, or the stamps are too small.
    """
    if isinstance(mapping, KnownMapping):
        flux = require_nanomaggies(said.units, path)
    else:
        flux = flux_of(said.units, path, unit=mapping.unit, zero_point=mapping.zero_point)
    conversion = plan_conversion(images.shape, mapping, flux, f"{path}: {mapping.images}")
    missing = f"key {mapping.redshift!r} is missing"
    n = images.shape[0]
    return RawSurvey(
        path=Path(path),
        layout=layout,
        files=(RawFile(Path(path), n),),
        source=said.source or as_text(Path(path).name),
        table=assemble(
            columns,
            n=n,
            path=path,
            no_redshift=f"none: {missing if mapping.redshift else 'ingest.hdf5.redshift is null'}",
            bands=mapping.bands,
        ),
        converted=in_words(conversion),
        read_images=_block_reader(images, path, conversion),
        nanomaggies=conversion.nanomaggies,
    )


def check_images(images: StoredImages, said: Said, path: str | Path, mapping: Hdf5Mapping) -> None:
    """Raise InputError where the stamps, or a file of ingest, are not as the layout has them."""
    where = f"{path}: {mapping.images}"
    if len(images.shape or ()) != 4 or images.shape[0] == 0:
        raise InputError(
            f"{where}: expected shape (N, bands, side, side) or (N, side, side, bands), N > 0; "
            f"received {images.shape}"
        )
    if images.dtype.kind not in "fiu":
        raise InputError(f"{where}: expected numbers; received dtype {images.dtype}")
    if not isinstance(mapping, KnownMapping):
        return
    side = mapping.side
    stamp = (side, side, len(BANDS)) if mapping.axes == "NHWC" else (len(BANDS), side, side)
    if images.shape[1:] != stamp:
        expected = f"(N, {', '.join(map(str, stamp))})"
        raise InputError(f"{where}: expected shape {expected}; received {images.shape}")
    if mapping.schema_version not in (None, said.schema_version):
        raise InputError(
            f"{path}: expected schema_version {mapping.schema_version}, as ingest writes; "
            f"received {said.schema_version}"
        )


def _keys(file: h5py.File, path: str | Path, mapping: Hdf5Mapping) -> dict[str, str]:
    """Role -> key of the columns to be read: all, or of a known layout those that the file has."""
    keys = {role: key for role in ROLES if (key := getattr(mapping, role, None)) is not None}
    if not isinstance(mapping, KnownMapping) or mapping.schema_version is not None:
        return keys
    there = {role: key for role, key in keys.items() if has_key(file, path, key)}
    if "group_id" in there and "moved" in keys and "moved" not in there:
        raise InputError(
            f"{path}: has {keys['group_id']!r} and lacks {keys['moved']!r}, without which moved "
            "copies of a galaxy would be taken for galaxies of their own"
        )
    return there


def _read_columns(
    file: h5py.File, path: str | Path, keys: Mapping[str, str], *, n: int, bands: str
) -> dict[str, Column]:
    """Read the columns of `keys` (role -> key), every one of which must be there."""
    columns = {}
    for role, key in keys.items():
        dataset = find_dataset(file, path, key)
        with reading(path, key):
            shape, dtype = dataset.shape, dataset.dtype
        check_column(path, key, role, shape=shape, dtype=dtype, n=n, bands=bands)
        with reading(path, key):
            columns[role] = Column(dataset[...], key)
    return columns


def _block_reader(
    images: StoredImages, path: str | Path, conversion: Conversion
) -> Callable[[int, int], NDArray[np.float32]]:
    """``read_images`` of a dataset, of which only the window of the cuts is read."""

    def read_images(start: int, stop: int) -> NDArray[np.float32]:
        blocks = []
        for first in range(start, stop, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, stop)
            with reading(path, f"{conversion.mapping.images}: rows {first} to {last}"):
                stored = images[(slice(first, last), *conversion.window)]
            blocks.append(converted(stored, conversion))
        return np.concatenate(blocks)

    return read_images
