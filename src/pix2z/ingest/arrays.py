"""Arrays of numpy: the members of an npz, or .npy files of one folder, as a survey.

A mapping names them. A .npy holds stamps, (N, bands, side, side) or (N, side, side, bands), or
(bands, side, side) of one galaxy; columns are .npy files beside it: key ``z`` is ``z.npy``.

An npz of Pasquet et al. (2019) has `cube` (N, 64, 64, 5) and the structured array `labels` (N,),
whose columns are found by their names. The central 32 x 32 pixels, 16 to 47, are read, in the flux
unit of the file, taken as nanomaggies.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.hdf5 import plain
from pix2z.ingest.attributes import read_members
from pix2z.ingest.columns import ID_ROLES, ROLES, StoredColumn
from pix2z.ingest.layouts import PASQUET
from pix2z.ingest.mapped import column_keys, survey_of
from pix2z.ingest.npz import Member, open_member, open_npy
from pix2z.ingest.raw import RawSurvey
from pix2z.said.claims import NOTHING_SAID

__all__ = ["npy_beside", "open_arrays", "open_pasquet"]

LABELS = {
    "redshift": ("z",),
    "redshift_error": ("zErr",),
    "object_id": ("objID", "bestObjID", "specObjID"),
    "ra": ("ra",),
    "dec": ("dec",),
    "ebv": ("EBV",),
}
"""Label columns by role, the first found is taken; case counts only where several differ in it."""

BLOCK_ROWS = 4096
"""Labels read at a time."""


@contextmanager
def open_arrays(path: Path, *, layout: str, mapping: Hdf5Mapping) -> Iterator[RawSurvey]:
    """Open the stamps and columns of an npz or npy (`layout`), as `open_source` does."""

    def open_array(key: str) -> AbstractContextManager[Member]:
        return open_member(path, key) if layout == "npz" else open_npy(npy_beside(path, key))

    keys, named = column_keys(mapping), "images" in mapping.model_fields_set
    if layout == "npy" and named and npy_beside(path, mapping.images) != path:
        raise InputError(f"{path}: expected the images {mapping.images!r}; received {path.stem!r}")
    with open_npy(path) if layout == "npy" else open_member(path, mapping.images) as images:
        if len(images.shape) == 3:
            images = replace(images, shape=(1, *images.shape))
        said = read_members(path, images) if layout == "npz" else NOTHING_SAID
        with ExitStack() as opened:
            arrays = {role: opened.enter_context(open_array(key)) for role, key in keys.items()}
            columns = {
                role: StoredColumn(one.path, keys[role], one) for role, one in arrays.items()
            }
            beside = tuple(one.path for one in arrays.values()) if layout == "npy" else ()
            survey = survey_of(
                path, images, said, columns, layout=layout, mapping=mapping, others=beside
            )
        yield survey


def npy_beside(path: Path, key: str) -> Path:
    """Return the .npy file of that key in the folder of another."""
    return path.with_name(f"{key.removesuffix('.npy')}.npy")


@contextmanager
def open_pasquet(path: Path, *, given: Mapping[str, Any]) -> Iterator[RawSurvey]:
    """Open a file in the layout of Pasquet et al., as `open_source` does.

    given : entries of a mapping that the user gives, keys being arrays and label columns.
    """
    mapping = PASQUET.model_copy(update=given)
    with open_member(path, mapping.images) as cube:
        with open_member(path, "labels") as labels:
            columns = _read_labels(labels, n=cube.shape[0], given=given)
        said = read_members(path, cube)
        yield survey_of(path, cube, said, columns, layout="pasquet", mapping=mapping)


def _read_labels(labels: Member, *, n: int, given: Mapping[str, Any]) -> dict[str, StoredColumn]:
    """Role -> column of the labels, which are read once and in blocks."""
    names = labels.dtype.names
    if names is None or labels.shape != (n,):
        raise InputError(
            f"{labels.path}: labels: expected a structured array of shape ({n},); received shape "
            f"{labels.shape} of {labels.dtype if names is None else 'columns'}"
        )
    used = _used_fields(labels, names, given)
    blocks = []
    for start in range(0, n, BLOCK_ROWS):
        rows = labels[start : start + BLOCK_ROWS,]
        blocks.append({field: rows[field].copy() for field in used.values()})
    columns = {}
    for role, field in used.items():
        values = np.concatenate([block[field] for block in blocks])
        columns[role] = StoredColumn(labels.path, f"labels[{field!r}]", values)
    return columns


def _used_fields(
    labels: Member, names: tuple[str, ...], given: Mapping[str, Any]
) -> dict[str, str]:
    """Role -> the label column that plays it, given or found by its name."""
    used = {}
    for role in ROLES:
        wanted = given.get(role)
        candidates = LABELS.get(role, ()) if role not in given else (wanted,) if wanted else ()
        there = [f for name in candidates if (f := _field(labels, names, name)) is not None]
        if role in ID_ROLES and role not in given:  # one that is no integer rounds ids
            there = [field for field in there if labels.dtype[field].kind in "iu"]
        if there:
            used[role] = there[0]
        elif wanted:
            raise InputError(
                f"{labels.path}: label column {wanted!r} is missing; the file has "
                f"{plain(', '.join(names[:80]))}"
            )
    return used


def _field(labels: Member, names: tuple[str, ...], wanted: str) -> str | None:
    """Name of a label column as the file spells it, None where there is none."""
    if wanted in names:
        return wanted
    alike = [name for name in names if name.lower() == wanted.lower()]
    if len(alike) > 1:
        raise InputError(
            f"{labels.path}: labels: expected one column {wanted!r}; received "
            f"{plain(', '.join(alike))}"
        )
    return alike[0] if alike else None
