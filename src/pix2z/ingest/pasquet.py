"""Pasquet et al. (2019): npz with `cube` (N, 64, 64, 5) and the structured array `labels` (N,).

The central 32 x 32 pixels, 16 to 47, are read, in the flux unit of the file, taken as nanomaggies.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.errors import InputError
from pix2z.hdf5 import plain
from pix2z.ingest.attributes import read_members
from pix2z.ingest.columns import ID_ROLES, ROLES, Column, check_column
from pix2z.ingest.conversion import plan_conversion
from pix2z.ingest.layouts import PASQUET
from pix2z.ingest.mapped import check_images, survey_of
from pix2z.ingest.npz import Member, open_member
from pix2z.ingest.raw import RawSurvey

__all__ = ["FIELDS", "open_pasquet"]

FIELDS = {
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
def open_pasquet(
    path: str | Path, *, given: Mapping[str, Any] | None = None
) -> Iterator[RawSurvey]:
    """Open a file in the layout of Pasquet et al., read-only.

    Parameters
    ----------
    given : entries of a mapping that the user gives, keys being arrays and label columns.

    Raises
    ------
    InputError
        The file is missing, damaged or no npz, an array is missing, holds Python objects or has
        another shape, or a size that it claims is not there.
    """
    given = given or {}
    mapping = PASQUET.model_copy(update=given)
    with open_member(path, mapping.images) as cube:
        said = read_members(path, cube)
        check_images(cube, said, path, mapping)
        conversion = plan_conversion(cube.shape, mapping, said, path)
        with open_member(path, "labels") as labels:
            columns = _read_columns(labels, n=cube.shape[0], given=given, bands=conversion.bands)
        yield survey_of(path, cube, columns, said, conversion, layout="pasquet", mapping=mapping)


def _read_columns(
    labels: Member, *, n: int, given: Mapping[str, Any], bands: str
) -> dict[str, Column]:
    """Role -> column of the labels, which are read once and in blocks."""
    names = labels.dtype.names
    if names is None or labels.shape != (n,):
        raise InputError(
            f"{labels.path}: labels: expected a structured array of shape ({n},); received shape "
            f"{labels.shape} of {labels.dtype if names is None else 'columns'}"
        )
    used = _used_fields(labels, names, given)
    for role, field in used.items():
        dtype = labels.dtype[field]
        shape = (n, *dtype.shape)
        key = f"labels[{field!r}]"
        check_column(labels.path, key, role, shape=shape, dtype=dtype.base, n=n, bands=bands)
    blocks = []
    for start in range(0, n, BLOCK_ROWS):
        rows = labels[start : start + BLOCK_ROWS,]
        blocks.append({field: rows[field].copy() for field in used.values()})
    return {
        role: Column(np.concatenate([block[field] for block in blocks]), f"labels[{field!r}]")
        for role, field in used.items()
    }


def _used_fields(
    labels: Member, names: tuple[str, ...], given: Mapping[str, Any]
) -> dict[str, str]:
    """Role -> the label column that plays it, given or found by its name."""
    used = {}
    for role, candidates in FIELDS.items():
        there = [f for name in candidates if (f := _field(labels, names, name)) is not None]
        if role in ID_ROLES:  # one that is no integer rounds ids
            there = [field for field in there if labels.dtype[field].kind in "iu"]
        if there:
            used[role] = there[0]
    for role in set(ROLES) & set(given):
        used.pop(role, None)
        wanted = given[role]
        field = None if wanted is None else _field(labels, names, wanted)
        if field is not None:
            used[role] = field
        elif wanted is not None:
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
