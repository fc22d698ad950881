"""galaxies.h5: its schema, its writer, and its one reader, which never opens it for writing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.errors import InputError
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE

__all__ = [
    "COLUMNS",
    "SCHEMA_VERSION",
    "Galaxies",
    "galaxies_at",
    "open_galaxies",
    "open_own_file",
    "prediction_columns",
    "write_galaxies",
]

SCHEMA_VERSION = 1
CHUNK_ROWS = 64

COLUMNS: Mapping[str, str] = {
    "specz_redshift": "f4",
    "specz_redshift_err": "f4",
    "object_id": "i8",
    "group_id": "i8",
    "ra": "f8",
    "dec": "f8",
    "ebv": "f4",
    "mag_r": "f4",
    "seeing": "f4",
    "row_origin": "i8",
    "moved": "u1",
    "flags": "i4",
}
"""Columns and their dtypes; all (N,) but `seeing`, (N, 5)."""

MOST_SKIPPED_ROWS = 8
"""A gap of this many unwanted rows is read over: that is faster than another call of the reader."""

READ_ROWS = 128
"""Rows per read, 2.6 MB: small enough to be copied on from the processor's cache."""

COLUMN_ROWS = 65_536
"""Most rows of a column per read where only some are wanted."""


@dataclass(frozen=True)
class Galaxies:
    """An open galaxies.h5; made by `open_galaxies`. Another process that it is sent to opens it."""

    path: Path
    file: h5py.File

    def __reduce__(self) -> tuple[Callable[[Path], "Galaxies"], tuple[Path]]:
        """Pickle the path alone."""
        return galaxies_at, (self.path.absolute(),)

    def __len__(self) -> int:
        """Return the number of galaxies."""
        return int(self.file["images"].shape[0])

    def attribute(self, name: str) -> Any:
        """Return a file attribute; raise InputError where there is none of that name."""
        if name not in self.file.attrs:
            raise InputError(f"{self.path}: attribute {name!r} is missing")
        return self.file.attrs[name]

    def column(self, name: str, rows: ArrayLike | None = None) -> NDArray[Any]:
        """Read a column whole, or at `rows` in their order: then no more than these are held."""
        if name not in COLUMNS:
            raise InputError(f"{self.path}: expected one of {', '.join(COLUMNS)}; received {name}")
        stored = self.file[name]
        if rows is None:
            return np.asarray(stored[...])
        wanted = self._checked(rows)
        values = np.empty((len(wanted), *stored.shape[1:]), stored.dtype)
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        first = 0
        while first < len(ascending):
            start = int(ascending[first])
            last = int(np.searchsorted(ascending, start + COLUMN_ROWS))
            block = stored[start : int(ascending[last - 1]) + 1]
            values[order[first:last]] = block[ascending[first:last] - start]
            first = last
        return values

    def images(
        self, rows: ArrayLike, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Read stamps at `rows`, any order and repeats: (n, 32, 32, 5) float32 nanomaggies.

        Rows are sorted and read as ranges, which is many times faster than h5py's own selection by
        list. `out`, of that shape, is filled instead of a new array.
        """
        wanted = self._checked(rows)
        shape = (len(wanted), STAMP_SIDE, STAMP_SIDE, len(BANDS))
        images = np.empty(shape, np.float32) if out is None else out
        if images.shape != shape or images.dtype != np.float32:
            raise ValueError(f"out must be float32 of shape {shape}; got {images.shape}")
        if np.any(np.diff(wanted) < 0):
            order = np.argsort(wanted, kind="stable")
            images[order] = self.images(wanted[order])
            return images
        stored = self.file["images"]
        for first, last in _ranges(wanted):
            start, stop = int(wanted[first]), int(wanted[last - 1]) + 1
            # mode="clip" lets take write into `out` without a copy; no index is out of bounds
            within = wanted[first:last] - start
            np.take(stored[start:stop], within, axis=0, out=images[first:last], mode="clip")
        return images

    def _checked(self, rows: ArrayLike) -> NDArray[np.int64]:
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise InputError(
                f"{self.path}: expected rows from 0 to {len(self) - 1}; "
                f"received {wanted.min()} to {wanted.max()}"
            )
        return wanted


def _ranges(ascending: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut sorted rows into [first, last) positions, each read as one range of the file."""
    if not len(ascending):
        return
    starts_run = np.diff(ascending, prepend=ascending[0]) > MOST_SKIPPED_ROWS
    starts_run[0] = True
    run = np.cumsum(starts_run) - 1
    piece = (ascending - ascending[starts_run][run]) // READ_ROWS
    cuts = np.flatnonzero((np.diff(run) != 0) | (np.diff(piece) != 0)) + 1
    yield from zip([0, *cuts.tolist()], [*cuts.tolist(), len(ascending)], strict=True)


def prediction_columns(galaxies: Galaxies, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Read what predictions say of the galaxies themselves, whatever the estimator.

    These are the columns of `redshift_pdf.predictions.COLUMNS` but z_phot, (n,) each.
    """
    return {
        "row": rows,
        "object_id": galaxies.column("object_id", rows),
        "group_id": galaxies.column("group_id", rows),
        "z_spec": galaxies.column("specz_redshift", rows).astype(np.float64),
        "mag_r": galaxies.column("mag_r", rows),
        "ebv": galaxies.column("ebv", rows),
    }


@contextmanager
def open_galaxies(path: str | Path) -> Iterator[Galaxies]:
    """Open galaxies.h5 read-only; raise InputError where it is not what ingest writes."""
    galaxies = galaxies_at(Path(path))
    with galaxies.file:
        yield galaxies


def galaxies_at(path: Path) -> Galaxies:
    """Open galaxies.h5 as `open_galaxies` does, until the value, or this process, is gone."""
    file = open_own_file(path)
    version = file.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: expected schema_version {SCHEMA_VERSION}, as ingest writes; "
            f"received {version}"
        )
    missing = [name for name in ("images", *COLUMNS) if name not in file]
    if missing:
        raise InputError(f"{path}: key {missing[0]!r} is missing")
    return Galaxies(path=path, file=file)


def open_own_file(path: Path) -> h5py.File:
    """Open an HDF5 file that pix2z has written; raise InputError where there is none."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = "no such file" if not path.exists() else "damaged or not HDF5"
        raise InputError(f"{path}: cannot be opened: {reason}") from error


def write_galaxies(
    path: str | Path,
    *,
    columns: Mapping[str, NDArray[Any]],
    blocks: Iterator[NDArray[np.float32]],
    source: str,
    source_sha256: str,
) -> None:
    """Write galaxies.h5, the same bytes for the same content.

    Parameters
    ----------
    columns : every name of `COLUMNS`, (N, ...).
    blocks : stamps in row order, each (n, 32, 32, 5), summing to N rows.
    """
    n = len(columns["object_id"])
    shape = (STAMP_SIDE, STAMP_SIDE, len(BANDS))
    with h5py.File(path, "w") as file:
        file.attrs.update(
            schema_version=SCHEMA_VERSION,
            bands=BANDS,
            pixel_scale=PIXEL_SCALE,
            unit="nanomaggy",
            source=source,
            source_sha256=source_sha256,
        )
        for name, dtype in COLUMNS.items():
            file.create_dataset(name, data=columns[name].astype(dtype), track_times=False)
        chunks = (min(CHUNK_ROWS, n), *shape)
        images = file.create_dataset(
            "images", (n, *shape), np.float32, chunks=chunks, track_times=False
        )
        filled = 0
        for block in blocks:
            images[filled : filled + len(block)] = block
            filled += len(block)
    if filled != n:
        raise ValueError(f"blocks hold {filled} stamps; columns {n}")
