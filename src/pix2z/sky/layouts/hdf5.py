"""Reading raw HDF5 files with the seed's keys and, where present, NERSC's and the group `truth`.

Columns are read whole, pixels by range of rows, so memory does not grow with the pixels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.sky.imaging import BANDS, EXTINCTION_PER_EBV
from pix2z.sky.layouts.grouping import CELL_DEG, sky_cell
from pix2z.sky.layouts.raw import RawSurvey, RawTable

__all__ = ["N_BANDS", "ebv_from_column", "open_hdf5_survey"]

N_BANDS = len(BANDS)
"""u, g, r, i, z."""


@contextmanager
def open_hdf5_survey(
    path: str | Path, *, stamp_side: int, crop: slice = slice(None)
) -> Iterator[RawSurvey]:
    """Open a raw file whose `images` are (N, 5, stamp_side, stamp_side), read-only.

    Parameters
    ----------
    stamp_side : pixels on a side in the file.
    crop : pixels kept along both sides; the rest is never read.

    Raises
    ------
    InputError
        The file is missing, damaged or no HDF5, a key is missing, or a shape or dtype is wrong.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "no such file" if not Path(path).exists() else f"damaged or not HDF5 ({error})"
        raise InputError(f"{path}: cannot be opened: {reason}") from error
    with file:
        images = _images(file, path, stamp_side)
        table = _table(file, path, len(images))

        def read_images(start: int, stop: int) -> NDArray[np.float32]:
            try:
                pixels = images[start:stop, :, crop, crop]
            except OSError as error:
                raise InputError(
                    f"{path}: images: rows {start} to {stop} cannot be read ({error})"
                ) from error
            with np.errstate(over="ignore"):  # beyond float32 becomes inf, which is a bad row
                return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1), dtype=np.float32)

        source = str(file.attrs.get("source", Path(path).name))
        yield RawSurvey(path=Path(path), source=source, table=table, read_images=read_images)


def ebv_from_column(column: NDArray[np.floating]) -> tuple[NDArray[np.float32], str]:
    """E(B-V) (N,) and, in words, how the column gave it.

    A column (N,) is E(B-V) itself. A column (N, 5) holds the extinctions A_ugriz in magnitudes, as
    SDSS DR12 gives them; each over its A / E(B-V) is an estimate of E(B-V), and their mean is taken
    (Hayat et al. 2021).
    """
    if column.ndim == 1:
        return column.astype(np.float32), "e_bv (N,), taken as E(B-V)"
    ebv = (column / np.asarray(EXTINCTION_PER_EBV)).mean(axis=1)
    ratios = ", ".join(str(ratio) for ratio in EXTINCTION_PER_EBV)
    return ebv.astype(np.float32), f"e_bv (N, 5), taken as A_ugriz: mean(A_ugriz / [{ratios}])"


def _images(file: h5py.File, path: str | Path, side: int) -> h5py.Dataset:
    images = _dataset(file, path, "images")
    expected = f"(N, {N_BANDS}, {side}, {side})"
    if images.ndim != 4 or images.shape[1:] != (N_BANDS, side, side) or images.shape[0] == 0:
        raise InputError(f"{path}: images: expected shape {expected}; received {images.shape}")
    if images.dtype.kind not in "fiu":
        raise InputError(f"{path}: images: expected numbers; received dtype {images.dtype}")
    return images


def _table(file: h5py.File, path: str | Path, n: int) -> RawTable:
    origin: dict[str, str] = {}

    has_positions = "ra" in file or "dec" in file
    nowhere = np.full(n, np.nan)
    ra = _column(file, path, "ra", n).astype(np.float64) if has_positions else nowhere
    dec = _column(file, path, "dec", n).astype(np.float64) if has_positions else nowhere
    origin["position"] = "ra, dec" if has_positions else "none"

    has_ids = "ObjID" in file
    object_id = _ids(file, path, "ObjID", n) if has_ids else np.arange(n, dtype=np.int64)
    origin["object_id"] = "ObjID" if has_ids else "none in the file: row number"

    ebv = np.full(n, np.nan, np.float32)
    origin["ebv"] = "none in the file: NaN"
    if "e_bv" in file:
        ebv, origin["ebv"] = ebv_from_column(_column(file, path, "e_bv", n, per_band=None))

    seeing, moved = np.full((n, N_BANDS), np.nan, np.float32), np.zeros(n, np.uint8)
    if "truth" in file:
        group_id, origin["group_id"] = _ids(file, path, "truth/parent", n), "truth/parent"
        moved = (_column(file, path, "truth/moved", n) != 0).astype(np.uint8)
        seeing = _column(file, path, "truth/psf_fwhm", n, per_band=True).astype(np.float32)
    elif has_positions:
        group_id, origin["group_id"] = sky_cell(ra, dec), f"sky cells of {CELL_DEG:g} deg"
    else:
        group_id, origin["group_id"] = object_id, "object_id: every row its own group"

    z_error = np.full(n, np.nan, np.float32)
    origin["z_error"] = "none in the file: NaN"
    if "specz_redshift_err" in file:
        z_error = _column(file, path, "specz_redshift_err", n).astype(np.float32)
        origin["z_error"] = "specz_redshift_err"

    return RawTable(
        z_spec=_column(file, path, "specz_redshift", n).astype(np.float32),
        z_error=z_error,
        object_id=object_id,
        group_id=group_id,
        ra=ra,
        dec=dec,
        ebv=ebv,
        seeing=seeing,
        moved=moved,
        has_ids=has_ids,
        has_positions=has_positions,
        origin=origin,
    )


def _dataset(file: h5py.File, path: str | Path, key: str) -> h5py.Dataset:
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        raise InputError(
            f"{path}: key {key!r} is missing; the file has {', '.join(sorted(file)) or 'no keys'}"
        )
    return found


def _column(
    file: h5py.File, path: str | Path, key: str, n: int, *, per_band: bool | None = False
) -> NDArray[np.floating]:
    """Read a numeric column (N,), or (N, 5) `per_band`; None takes either."""
    dataset = _dataset(file, path, key)
    shapes: dict[bool | None, list[tuple[int, ...]]]
    shapes = {False: [(n,)], True: [(n, N_BANDS)], None: [(n,), (n, N_BANDS)]}
    allowed = shapes[per_band]
    if dataset.shape not in allowed:
        expected = " or ".join(str(shape) for shape in allowed)
        raise InputError(f"{path}: {key}: expected shape {expected}; received {dataset.shape}")
    if dataset.dtype.kind not in "fiu":
        raise InputError(f"{path}: {key}: expected numbers; received dtype {dataset.dtype}")
    try:
        values: NDArray[np.floating] = dataset[...]
    except OSError as error:
        raise InputError(f"{path}: {key}: cannot be read ({error})") from error
    return values


def _ids(file: h5py.File, path: str | Path, key: str, n: int) -> NDArray[np.int64]:
    """Read a column of integer ids; floats are refused, since they round long ids."""
    values = _column(file, path, key, n)
    if values.dtype.kind not in "iu":
        raise InputError(f"{path}: {key}: expected integers; received dtype {values.dtype}")
    if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{path}: {key}: expected ids below 2**63; received {int(values.max())}")
    return values.astype(np.int64)
