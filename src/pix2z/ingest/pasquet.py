"""Pasquet et al. (2019): npz with `cube` (N, 64, 64, 5) and the structured array `labels` (N,).

The central 32 x 32 pixels, 16 to 47, are read, in the flux unit of the file, taken as nanomaggies.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pix2z.errors import InputError
from pix2z.hdf5 import plain
from pix2z.ingest.attributes import NOTHING_SAID
from pix2z.ingest.columns import ID_ROLES, Column, check_column
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
def open_pasquet(path: str | Path, *, ebv_key: str | None = None) -> Iterator[RawSurvey]:
    """Open a file in the layout of Pasquet et al., read-only.

    Parameters
    ----------
    ebv_key : label column of E(B-V), where it is not `EBV`.

    Raises
    ------
    InputError
        The file is missing, damaged or no npz, an array is missing, holds Python objects or has
        another shape, or a size that it claims is not there.
    """
    with open_member(path, PASQUET.images) as cube:
        check_images(cube, NOTHING_SAID, path, PASQUET)
        with open_member(path, "labels") as labels:
            columns = _read_columns(labels, n=cube.shape[0], ebv_key=ebv_key)
        yield survey_of(path, cube, columns, NOTHING_SAID, layout="pasquet", mapping=PASQUET)


def _read_columns(labels: Member, *, n: int, ebv_key: str | None) -> dict[str, Column]:
    """Role -> column of the labels, which are read once and in blocks."""
    names = labels.dtype.names
    if names is None or labels.shape != (n,):
        raise InputError(
            f"{labels.path}: labels: expected a structured array of shape ({n},); received shape "
            f"{labels.shape} of {labels.dtype if names is None else 'columns'}"
        )
    used = _used_fields(labels, names, ebv_key=ebv_key)
    for role, field in used.items():
        dtype = labels.dtype[field]
        shape = (n, *dtype.shape)
        check_column(labels.path, f"labels[{field!r}]", role, shape=shape, dtype=dtype.base, n=n)
    blocks = []
    for start in range(0, n, BLOCK_ROWS):
        rows = labels[start : start + BLOCK_ROWS,]
        blocks.append({field: rows[field].copy() for field in used.values()})
    return {
        role: Column(np.concatenate([block[field] for block in blocks]), f"labels[{field!r}]")
        for role, field in used.items()
    }


def _used_fields(labels: Member, names: tuple[str, ...], *, ebv_key: str | None) -> dict[str, str]:
    """Role -> the label column that plays it."""
    used = {}
    for role, candidates in FIELDS.items():
        there = [f for name in candidates if (f := _field(labels, names, name)) is not None]
        if role in ID_ROLES:  # one that is no integer rounds ids
            there = [field for field in there if labels.dtype[field].kind in "iu"]
        if there:
            used[role] = there[0]
    if ebv_key:
        field = _field(labels, names, ebv_key)
        if field is None:
            raise InputError(
                f"{labels.path}: label column {ebv_key!r} is missing; the file has "
                f"{plain(', '.join(names[:80]))}"
            )
        used["ebv"] = field
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
