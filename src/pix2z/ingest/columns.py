"""Columns of raw files by role, and the table made of those that a file has.

Rows that belong together form a group, and a group never straddles two parts of the sample; where a
file names no groups, rows in one cell of the sky are one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.hdf5 import reading
from pix2z.imaging import BANDS, EXTINCTION_PER_EBV
from pix2z.imaging.units import factor_to
from pix2z.ingest.conversion import is_one_of
from pix2z.ingest.raw import RawTable
from pix2z.said.agreement import agreed, same, stored_as
from pix2z.said.claims import NOTHING_SAID, Said, numbers

__all__ = [
    "ID_ROLES",
    "ROLES",
    "ArrayOnDisk",
    "Column",
    "StoredColumn",
    "assemble",
    "read_column",
    "sky_cell",
]

N_BANDS = len(BANDS)

ID_ROLES = ("object_id", "group_id")
"""Roles whose values are integers; floats are refused, since they round long ids."""

ROLES = (
    *("redshift", "redshift_error", *ID_ROLES, "ra", "dec", "ebv", "seeing", "moved"),
    *("z_warning", "spectral_class"),
)
"""What a column can be."""

OF_SPECTRA = ("z_warning", "spectral_class")
"""Roles of columns that are kept as they are, and only where a file has them."""

UNITS: Mapping[str, str] = {
    "ra": "deg",
    "dec": "deg",
    "seeing": "arcsec",
    "ebv": "mag",
    "redshift": "",
    "redshift_error": "",
}
"""Role -> unit of its values in the table, as astropy spells it; "" of none."""

NO_COLUMN = "none in the file: NaN"

CELL_DEG = 1.0
"""Side of a cell of the sky in degrees."""


@dataclass(frozen=True)
class Column:
    """Values of a column, the key that they came from, and whether the file says their unit.

    words : what was done to the values.
    """

    values: NDArray[Any]
    key: str
    says_unit: bool = False
    words: str = ""


class ArrayOnDisk(Protocol):
    """An array in a file, read by slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes, the first of them galaxies."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its numbers, as stored."""

    def __getitem__(self, index: tuple[slice, ...], /) -> NDArray[Any]:
        """Read a part."""


@dataclass(frozen=True)
class StoredColumn:
    """A column in a file, what it is called there, and what the file says of its numbers."""

    path: Path
    key: str
    values: ArrayOnDisk
    said: Said = NOTHING_SAID


def read_column(stored: StoredColumn, role: str, *, n: int, bands: str, rows: slice) -> Column:
    """Read rows of a column, its numbers as the file says that they are stored.

    Parameters
    ----------
    n : rows that the column must have. rows : those of them that are read.
    bands : order of the bands in the file; only the order ugriz makes (N, 5) an E(B-V) column.

    Raises
    ------
    InputError
        Its shape or dtype does not fit its role, it is damaged, or what the file says of its
        numbers cannot be read, are not as many as its columns, or is a unit that this role cannot
        have.
    """
    with reading(stored.path, stored.key):
        _check(stored, role, n=n, bands=bands)
        values = stored.values[rows,]
    return _physical(Column(values, stored.key), role, stored.said, stored.path)


def _check(stored: StoredColumn, role: str, *, n: int, bands: str) -> None:
    """Raise InputError where a column's shape or dtype does not fit its role."""
    where, shape, dtype = f"{stored.path}: {stored.key}", stored.values.shape, stored.values.dtype
    allowed: list[tuple[int, ...]] = [(n,)]
    if role == "seeing":
        allowed.append((n, len(bands)))
    elif role == "ebv" and bands == BANDS:
        allowed.append((n, N_BANDS))
    if shape not in allowed:
        expected = " or ".join(str(one) for one in allowed)
        raise InputError(f"{where}: expected shape {expected}; received {shape}")
    kinds, expected = "fiu", "numbers"
    if role == "spectral_class":
        kinds, expected = "S", "text of fixed length, in bytes"
    elif role in (*ID_ROLES, "z_warning"):
        kinds, expected = "iu", "integers"
    elif role == "moved":
        kinds = "fiub"
    if dtype.kind not in kinds:
        raise InputError(f"{where}: expected {expected}; received dtype {dtype}")


def _physical(column: Column, role: str, said: Said, path: Path) -> Column:
    """Return a column scaled, masked and in its unit; ids and flags are numbers as they are."""
    if role not in UNITS or not said.claims:
        return column
    values, key = column.values.astype(np.float64), column.key
    masked = {v for claim in said.of("masked") for v in numbers(claim.values) or ()}
    values[is_one_of(column.values, masked)] = np.nan
    times, plus, stored = stored_as(said, path)
    each = values.shape[1:]
    for of_stored in (times, plus):
        if (len(of_stored),) not in ((1,), each):
            expected = f"one number{f', or {each[0]}' if each else ''}"
            raise InputError(f"{path}: {key}: expected {expected}; received {stored}")
    words = [stored] if stored else []
    if masked:
        listed = " and ".join(f"{value:g}" for value in sorted(masked))
        words.append(f"{listed} masked, as the file says")
    factor, unit = agreed(
        None,
        said.of("unit"),
        lambda claim: factor_to(str((claim.values or ("",))[0]), UNITS[role]),
        same,
        path=path,
        expected=f"a unit of {role}, such as {UNITS[role] or 'none'}",
    )
    values = (values * np.asarray(times) + np.asarray(plus)) * (factor or 1.0)
    if factor is not None and factor != 1:
        words.append(f"times {factor:.6g} to {UNITS[role]}{unit}")
    return Column(values, key, says_unit=factor is not None, words="; ".join(words))


def assemble(
    columns: Mapping[str, Column],
    *,
    n: int,
    path: str | Path,
    no_redshift: str,
    bands: str = BANDS,
    first_row: int = 0,
) -> RawTable:
    """Make the table of a file from the columns that it has.

    Without a group column, rows are grouped by cell of the sky; without positions, each row is a
    group of its own, by its id; without ids, ids are row numbers.

    Parameters
    ----------
    columns : role -> column.
    no_redshift : why there are no redshifts, should there be none.
    bands : order of the bands in a seeing column.
    first_row : number in the file of the first of the rows.

    Raises
    ------
    InputError
        There is one of ra and dec only, or an id is beyond int64.
    """
    if ("ra" in columns) != ("dec" in columns):
        there = columns["ra" if "ra" in columns else "dec"].key
        raise InputError(f"{path}: expected columns of ra and dec, or neither; received {there}")
    ra, dec = (_floats(columns, role, n, np.float64) for role in ("ra", "dec"))
    object_id = (
        _ids(columns["object_id"], path) if "object_id" in columns else first_row + np.arange(n)
    )
    if "group_id" in columns:
        group_id, grouped_by = _ids(columns["group_id"], path), columns["group_id"].key
    elif "ra" in columns:
        group_id, grouped_by = sky_cell(ra, dec), f"sky cells of {CELL_DEG:g} deg"
    else:
        group_id, grouped_by = object_id, "object_id: every row its own group"
    ebv, ebv_from = _ebv(columns, n)
    moved = columns["moved"].values != 0 if "moved" in columns else np.zeros(n)
    return RawTable(
        z_spec=_floats(columns, "redshift", n),
        z_error=_floats(columns, "redshift_error", n),
        object_id=object_id,
        group_id=group_id,
        ra=ra,
        dec=dec,
        ebv=ebv,
        seeing=_seeing(columns, n, bands),
        moved=moved.astype(np.uint8),
        has_redshifts="redshift" in columns,
        has_ids="object_id" in columns,
        has_positions="ra" in columns,
        has_unit_of_positions="ra" in columns and columns["ra"].says_unit,
        origin=_origin(columns, z_spec=no_redshift, ebv=ebv_from, group_id=grouped_by),
        **{role: columns[role].values for role in OF_SPECTRA if role in columns},
    )


def sky_cell(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cell of the sky of each position; neighbours on the sky share one, and so one part.

    Bands of 1 degree in declination, each cut in right ascension into ceil(360 cos(dec)) cells, dec
    being the band's middle: every cell is close to 1 square degree.

    Parameters
    ----------
    ra, dec : (N,) degrees.

    Returns
    -------
    cell : (N,) integers from 0; -1 where a position is not finite or |dec| > 90.
    """
    usable = np.isfinite(ra) & np.isfinite(dec) & (np.abs(np.nan_to_num(dec)) <= 90.0)
    ra_deg = np.where(usable, ra, 0.0) % 360.0
    n_bands = round(180.0 / CELL_DEG)
    band = np.minimum((np.where(usable, dec, 0.0) + 90.0) // CELL_DEG, n_bands - 1)
    middle = np.deg2rad((band + 0.5) * CELL_DEG - 90.0)
    n_cells = np.ceil(360.0 / CELL_DEG * np.cos(middle))
    within = np.minimum(np.floor(ra_deg / 360.0 * n_cells), n_cells - 1)
    cell = band * round(360.0 / CELL_DEG) + within
    return np.where(usable, cell, -1).astype(np.int64)


def _origin(
    columns: Mapping[str, Column], *, z_spec: str, ebv: str, group_id: str
) -> dict[str, str]:
    """Where the values of each column of the table come from, in words.

    z_spec : where the file has no redshifts.
    """
    keys = {role: column.key for role, column in columns.items()}
    return {
        "z_spec": keys.get("redshift", z_spec),
        "z_error": keys.get("redshift_error", NO_COLUMN),
        "ebv": ebv,
        "seeing": keys.get("seeing", NO_COLUMN),
        "position": f"{keys['ra']}, {keys['dec']}" if "ra" in keys else "none",
        "object_id": keys.get("object_id", "none in the file: row number"),
        "group_id": group_id,
        **{role: keys[role] for role in OF_SPECTRA if role in keys},
    }


def _floats(
    columns: Mapping[str, Column], role: str, n: int, dtype: type[np.floating] = np.float32
) -> NDArray[Any]:
    """Values of a column, NaN without it; those beyond float32 become inf, which checks see."""
    if role not in columns:
        return np.full(n, np.nan, dtype)
    with np.errstate(over="ignore"):
        return columns[role].values.astype(dtype)


def _seeing(columns: Mapping[str, Column], n: int, bands: str) -> NDArray[np.float32]:
    """(N, 5) in our order of the bands; a column (N,) holds for every band."""
    seeing = np.full((n, N_BANDS), np.nan, np.float32)
    values = _floats(columns, "seeing", n)
    ours = [BANDS.index(band) for band in bands]
    seeing[:, ours] = values if values.ndim == 2 else values[:, None]
    return seeing


def _ebv(columns: Mapping[str, Column], n: int) -> tuple[NDArray[np.float32], str]:
    """E(B-V) (N,) and, in words, how the column gave it.

    A column (N,) is E(B-V) itself. A column (N, 5) holds the extinctions A_ugriz in magnitudes, as
    SDSS DR12 gives them; each over its A / E(B-V) is an estimate of E(B-V), and their mean is taken
    (Hayat et al. 2021).
    """
    if "ebv" not in columns:
        return np.full(n, np.nan, np.float32), NO_COLUMN
    values, key = columns["ebv"].values, columns["ebv"].key
    words = f"{key} (N,), taken as E(B-V)"
    with np.errstate(over="ignore"):
        if values.ndim == 2:
            values = (values / np.asarray(EXTINCTION_PER_EBV)).mean(axis=1)
            ratios = ", ".join(str(ratio) for ratio in EXTINCTION_PER_EBV)
            words = f"{key} (N, 5), taken as A_ugriz: mean(A_ugriz / [{ratios}])"
        return values.astype(np.float32), words


def _ids(column: Column, path: str | Path) -> NDArray[np.int64]:
    values = column.values
    if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise InputError(
            f"{path}: {column.key}: expected ids below 2**63; received {int(values.max())}"
        )
    return values.astype(np.int64)
