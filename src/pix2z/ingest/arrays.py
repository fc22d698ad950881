"""Arrays of numpy that a mapping names: the members of an npz, or .npy files of one folder.

A .npy holds stamps, (N, bands, side, side) or (N, side, side, bands), or (bands, side, side) of one
galaxy; columns are .npy files beside it: key ``z`` is ``z.npy``.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.ingest.attributes import read_members
from pix2z.ingest.columns import Column, check_column
from pix2z.ingest.conversion import plan_conversion
from pix2z.ingest.mapped import check_images, column_keys, survey_of
from pix2z.ingest.npz import Member, open_member, open_npy
from pix2z.ingest.raw import RawSurvey
from pix2z.said.claims import NOTHING_SAID

__all__ = ["npy_beside", "open_arrays"]


@contextmanager
def open_arrays(path: Path, *, layout: str, mapping: Hdf5Mapping) -> Iterator[RawSurvey]:
    """Open the stamps and columns of an npz or npy (`layout`), read-only.

    Raises
    ------
    InputError
        A file is missing or damaged, an array is missing or not what the mapping says, or its unit
        is not known.
    """

    def open_array(key: str) -> AbstractContextManager[Member]:
        return open_member(path, key) if layout == "npz" else open_npy(npy_beside(path, key))

    keys, named = column_keys(mapping), "images" in mapping.model_fields_set
    if layout == "npy" and named and npy_beside(path, mapping.images) != path:
        raise InputError(f"{path}: expected the images {mapping.images!r}; received {path.stem!r}")
    with open_npy(path) if layout == "npy" else open_member(path, mapping.images) as images:
        if len(images.shape) == 3:
            images = replace(images, shape=(1, *images.shape))
        said = read_members(path, images) if layout == "npz" else NOTHING_SAID
        check_images(images, said, path, mapping)
        conversion = plan_conversion(images.shape, mapping, said, path)
        n, columns = images.shape[0], {}
        for role, key in keys.items():
            with open_array(key) as column:
                shape, dtype = column.shape, column.dtype
                check_column(
                    column.path, key, role, shape=shape, dtype=dtype, n=n, bands=conversion.bands
                )
                columns[role] = Column(column[slice(0, n),], key)
        beside = tuple(npy_beside(path, key) for key in keys.values()) if layout == "npy" else ()
        yield survey_of(
            path, images, columns, said, conversion, layout=layout, mapping=mapping, others=beside
        )


def npy_beside(path: Path, key: str) -> Path:
    """Return the .npy file of that key in the folder of another."""
    return path.with_name(f"{key.removesuffix('.npy')}.npy")
