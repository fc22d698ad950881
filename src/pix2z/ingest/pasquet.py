"""Pasquet et al. (2019): npz with `cube` (N, 64, 64, 5) and the structured array `labels` (N,).

The central 32 x 32 pixels, 16 to 47, are read, in the flux unit of the file, taken as nanomaggies.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.hdf5 import plain
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.ingest.columns import ID_ROLES, Column, assemble, check_column
from pix2z.ingest.npz import Member, open_member
from pix2z.ingest.raw import RawFile, RawSurvey, RawTable

__all__ = ["CROP", "FIELDS", "SIDE", "open_pasquet"]

SIDE = 64
CROP = slice((SIDE - STAMP_SIDE) // 2, (SIDE + STAMP_SIDE) // 2)
CUBE_SHAPE = (SIDE, SIDE, len(BANDS))

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
    with open_member(path, "cube") as cube:
        _check_cube(cube)
        with open_member(path, "labels") as labels:
            table = _table(labels, n=cube.shape[0], ebv_key=ebv_key)

        def read_images(start: int, stop: int) -> NDArray[np.float32]:
            pixels = cube.part_of_rows(start, stop, CROP)[:, :, CROP]
            with np.errstate(over="ignore"):  # beyond float32 becomes inf, which is a bad row
                return np.ascontiguousarray(pixels, dtype=np.float32)

        yield RawSurvey(
            path=Path(path),
            layout="pasquet",
            files=(RawFile(Path(path), len(table)),),
            source=Path(path).name,
            table=table,
            converted={
                "axes": "bands last, as they are",
                "bands": f"assumed {' '.join(BANDS)}",
                "unit": "assumed nanomaggy: the layout names none",
                "pixel scale": f"assumed {PIXEL_SCALE} arcsec",
                "crop": f"pixels {CROP.start} to {CROP.stop - 1} of each side",
            },
            read_images=read_images,
        )


def _check_cube(cube: Member) -> None:
    where = f"{cube.path}: cube"
    if cube.shape[1:] != CUBE_SHAPE:
        expected = f"(N, {', '.join(map(str, CUBE_SHAPE))})"
        raise InputError(f"{where}: expected shape {expected}; received {cube.shape}")
    if cube.dtype.kind not in "fiu":
        raise InputError(f"{where}: expected numbers; received dtype {cube.dtype}")
    if cube.fortran_order:
        raise InputError(
            f"{where}: is in Fortran order, so that no galaxy lies together; save "
            "np.ascontiguousarray(cube)"
        )


def _table(labels: Member, *, n: int, ebv_key: str | None) -> RawTable:
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
    values = _read_fields(labels, list(used.values()))
    columns = {role: Column(values[f], f"labels[{f!r}]") for role, f in used.items()}
    return assemble(columns, n=n, path=labels.path, no_redshift="none: label column 'z' is missing")


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


def _read_fields(labels: Member, fields: list[str]) -> dict[str, NDArray[Any]]:
    n = labels.shape[0]
    blocks = []
    for start in range(0, n, BLOCK_ROWS):
        rows = labels.rows(start, min(start + BLOCK_ROWS, n))
        blocks.append({field: rows[field].copy() for field in fields})
    return {field: np.concatenate([block[field] for block in blocks]) for field in fields}
