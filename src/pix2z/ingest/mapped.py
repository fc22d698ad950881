"""Stamps and columns that a mapping names, as one survey; and HDF5 files read through a mapping.

A user's mapping comes from params.yaml or the command line; the layouts that pix2z knows are values
of `layouts`. Columns are read whole and pixels by range of rows, so that memory does not grow with
the pixels.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.files import as_text
from pix2z.hdf5 import find_dataset, has_key, open_hdf5, reading, virtual_files, watch
from pix2z.imaging import BANDS, STAMP_SIDE
from pix2z.ingest.attributes import array_said, read_attributes
from pix2z.ingest.columns import ROLES, ArrayOnDisk, StoredColumn, assemble, read_column
from pix2z.ingest.conversion import Conversion, converted, in_our_order, plan_conversion
from pix2z.ingest.layouts import KnownMapping
from pix2z.ingest.raw import RawFile, RawSurvey
from pix2z.said.claims import Said

__all__ = ["column_keys", "open_mapped", "survey_of"]

BLOCK_ROWS = 64
"""Stamps that are converted at a time."""


@contextmanager
def open_mapped(
    path: Path,
    *,
    layout: str,
    mapping: Hdf5Mapping,
    given: Mapping[str, Any],
    rows: tuple[int, int] | None,
) -> Iterator[RawSurvey]:
    """Open an HDF5 file that keeps things where `mapping` says, as `open_source` does.

    Parameters
    ----------
    layout : name of the mapping.
    given : entries of a mapping that the user gives, before those of a known layout.
    rows : the first row of the survey and the one after its last; None: all rows of the file.
    """
    mapping = mapping.model_copy(update=given)
    with open_hdf5(path) as file:
        check_unchanged = watch(file, path)
        images = find_dataset(file, path, mapping.images)
        said = read_attributes(file, images, path)
        _check_version(path, mapping, said)
        may_lack = isinstance(mapping, KnownMapping) and mapping.schema_version is None
        keys = {
            role: key
            for role, key in column_keys(mapping).items()
            if not may_lack or role in given or has_key(file, path, key)
        }
        _check_moved(path, mapping, keys)
        survey = survey_of(
            path,
            images,
            said,
            {role: _stored_column(file, path, key) for role, key in keys.items()},
            layout=layout,
            mapping=mapping,
            others=virtual_files(images, path, mapping.images),
            rows=rows,
        )

        def read_images(start: int, stop: int) -> NDArray[np.float32]:
            stamps = survey.read_images(start, stop)
            check_unchanged()
            return stamps

        yield replace(survey, read_images=read_images)


def _stored_column(file: h5py.File, path: Path, key: str) -> StoredColumn:
    dataset = find_dataset(file, path, key)
    return StoredColumn(path, key, dataset, array_said(dataset, path, key))


def survey_of(
    path: Path,
    images: ArrayOnDisk,
    said: Said,
    stored: Mapping[str, StoredColumn],
    *,
    layout: str,
    mapping: Hdf5Mapping,
    others: tuple[Path, ...] = (),
    rows: tuple[int, int] | None = None,
) -> RawSurvey:
    """Make a survey of the stamps and the columns (role -> column) of an open file.

    Columns are read here, stamps when they are asked for.

    Parameters
    ----------
    said : what the file says of itself and of the stamps.
    others : files beside it that its bands or columns are in.
    rows : the first row that is read and the one after the last; None: all.

    Raises
    ------
    InputError
        The images are no stamps, or a column, or what is said or given of them, does not fit.
    """
    _check_images(images, path, mapping)
    conversion = plan_conversion(images.shape, mapping, said, path)
    n, bands = images.shape[0], conversion.bands
    first, stop = rows or (0, n)
    columns = {
        role: read_column(column, role, n=n, bands=bands, rows=slice(first, stop))
        for role, column in stored.items()
    }
    missing = f"key {mapping.redshift!r} is missing"
    unused = {"not used": ", ".join(said.unused)} if said.unused else {}
    of_columns = {f"column {one.key}": one.words for one in columns.values() if one.words}
    read = _block_reader(images, path, mapping.images, conversion)
    gain, level = (in_our_order(values, bands) for values in (conversion.gain, conversion.level))
    return RawSurvey(
        path=path,
        layout=layout,
        files=(RawFile(path, n, others, gain, level),),
        source=said.source or as_text(path.name),
        table=assemble(
            columns,
            n=stop - first,
            first_row=first,
            path=path,
            no_redshift=f"none: {missing if mapping.redshift else 'ingest.hdf5.redshift is null'}",
            bands=bands,
        ),
        converted={**conversion.words, **of_columns, **unused},
        read_images=lambda start, end: read(first + start, first + end),
        softened=conversion.softened,
    )


def _check_images(images: ArrayOnDisk, path: Path, mapping: Hdf5Mapping) -> None:
    """Raise InputError where images are no stamps."""
    where = f"{path}: {mapping.images}"
    if len(images.shape or ()) != 4 or images.shape[0] == 0:
        raise InputError(
            f"{where}: expected shape (N, bands, side, side) or (N, side, side, bands), N > 0; "
            f"received {images.shape}"
        )
    if images.dtype.kind not in "fiu":
        raise InputError(f"{where}: expected numbers; received dtype {images.dtype}")


def _check_version(path: Path, mapping: Hdf5Mapping, said: Said) -> None:
    """Raise InputError where a file of ingest has another version, which may lack our columns."""
    known_version = mapping.schema_version if isinstance(mapping, KnownMapping) else None
    if known_version not in (None, said.schema_version):
        raise InputError(
            f"{path}: expected schema_version {known_version}, as ingest writes; "
            f"received {said.schema_version}"
        )


def _check_moved(path: Path, mapping: Hdf5Mapping, keys: Mapping[str, str]) -> None:
    """Raise InputError where a file of the renderer tells parents, but not which stamps moved."""
    moved = getattr(mapping, "moved", None)
    if moved and "group_id" in keys and "moved" not in keys:
        raise InputError(
            f"{path}: has {keys['group_id']!r} and lacks {moved!r}, without which moved copies of "
            "a galaxy would be taken for galaxies of their own"
        )


def column_keys(mapping: Hdf5Mapping) -> dict[str, str]:
    """Role -> key of the columns of a mapping."""
    return {role: key for role in ROLES if (key := getattr(mapping, role, None)) is not None}


def _block_reader(
    images: ArrayOnDisk, path: Path, key: str, conversion: Conversion
) -> Callable[[int, int], NDArray[np.float32]]:
    """``read_images`` of a dataset, of which only the window of the cuts is read."""

    def read_images(start: int, stop: int) -> NDArray[np.float32]:
        stamps = np.empty((stop - start, STAMP_SIDE, STAMP_SIDE, len(BANDS)), np.float32)
        for first in range(start, stop, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, stop)
            with reading(path, f"{key}: rows {first} to {last}"):
                stored = images[(slice(first, last), *conversion.window)]
            stamps[first - start : last - start] = converted(stored, conversion)
        return stamps

    return read_images
