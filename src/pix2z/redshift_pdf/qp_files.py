"""PDFs in qp's HDF5 format, written and read by qp itself, whole or in chunks.

The PDFs are qp's `hist` parameterisation (``meta/bins``, ``data/pdfs``); columns beside them are
ancillary arrays of the same name. No other module knows qp.
"""

import gc
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import qp
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pix2z.errors import InputError
from pix2z.files import atomic_path, reserve
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS, Predictions

__all__ = ["PdfWriter", "pdf_writer", "read_prediction_chunks"]


class PdfWriter:
    """An open file of PDFs that is filled in row order; made by `pdf_writer`."""

    def __init__(
        self, path: Path, grid: RedshiftGrid, *, n: int, columns: Mapping[str, np.dtype[Any]]
    ) -> None:
        """Make the file with room for n rows."""
        self._grid, self._n, self._columns = grid, n, dict(columns)
        one_row = {name: np.zeros(1, dtype) for name, dtype in columns.items()}
        self._template = self._ensemble(np.ones((1, grid.n_bins), np.float32), one_row)
        self._groups, self.file = self._template.initializeHdf5Write(str(path), n)
        self._filled = 0

    def append(self, density: ArrayLike, columns: Mapping[str, ArrayLike]) -> None:
        """Write the next b rows.

        Parameters
        ----------
        density : (b, K) per unit redshift, stored as float32.
        columns : name -> (b,), exactly the names the file was made with.
        """
        pdfs = np.asarray(density, np.float32)
        if pdfs.ndim != 2 or pdfs.shape[1] != self._grid.n_bins:
            raise ValueError(f"density must be (b, {self._grid.n_bins}); got {pdfs.shape}")
        if set(columns) != set(self._columns):
            raise ValueError(f"expected columns {sorted(self._columns)}; got {sorted(columns)}")
        arrays = {name: np.asarray(columns[name], dtype) for name, dtype in self._columns.items()}
        for name, values in arrays.items():
            if values.shape != (len(pdfs),):
                raise ValueError(f"{name} must have shape ({len(pdfs)},); got {values.shape}")
        stop = self._filled + len(pdfs)
        if stop > self._n:
            raise ValueError(f"expected {self._n} rows in all; got at least {stop}")
        if len(pdfs):
            self._ensemble(pdfs, arrays).writeHdf5Chunk(self._groups, self._filled, stop)
            _free_ensembles()
        self._filled = stop

    def finish(self) -> None:
        """Write the bins and close the file; ValueError where rows are missing."""
        if self._filled != self._n:
            raise ValueError(f"expected {self._n} rows in all; got {self._filled}")
        self._template.finalizeHdf5Write(self.file)

    def _ensemble(
        self, pdfs: NDArray[np.float32], columns: Mapping[str, NDArray[Any]]
    ) -> qp.Ensemble:
        return qp.Ensemble(
            qp.hist, data={"bins": self._grid.edges, "pdfs": pdfs, "norm": False}, ancil=columns
        )


@contextmanager
def pdf_writer(
    path: str | Path, grid: RedshiftGrid, *, n: int, columns: Mapping[str, DTypeLike]
) -> Iterator[PdfWriter]:
    """Write a qp `hist` ensemble of n PDFs in chunks, atomically; the name must end in .hdf5.

    Nothing is left at `path`, or what was there before is kept, where the block fails or other than
    n rows were appended (ValueError).

    Parameters
    ----------
    columns : name -> dtype of the ancillary arrays: numbers, booleans or bytes of fixed length.
    """
    if Path(path).suffix != ".hdf5":
        raise InputError(f"{path}: predictions are written as .hdf5; got {Path(path).suffix!r}")
    if n < 1:
        raise InputError(f"{path}: no galaxy to write; expected at least one prediction")
    dtypes = {name: np.dtype(dtype) for name, dtype in columns.items()}
    for name, dtype in dtypes.items():
        if dtype.kind not in "biufS":
            raise ValueError(f"{name}: expected numbers, booleans or bytes; got dtype {dtype}")
    n_bytes = n * (4 * grid.n_bins + sum(dtype.itemsize for dtype in dtypes.values()))
    with atomic_path(path, n_bytes=n_bytes) as partial:
        writer = PdfWriter(partial, grid, n=n, columns=dtypes)
        with writer.file as file:
            reserve(file.id.get_vfd_handle(), n_bytes)
            yield writer
            writer.finish()


def read_prediction_chunks(path: str | Path, *, chunk_rows: int = 4096) -> Iterator[Predictions]:
    """Read predictions in row order, at most `chunk_rows` at a time.

    qp divides each PDF by its integral, which is 1 but for the rounding of float32. One that cannot
    be (all zero, not finite) comes back as not finite.

    Raises
    ------
    InputError
        Names the file and what is wrong with it.
    """
    grid = _checked_grid(path)
    with _input_errors(path):
        chunks = qp.iterator(str(path), chunk_size=chunk_rows)
    while True:
        with _input_errors(path):
            chunk = next(chunks, None)
            if chunk is None:
                return
            *_, ensemble = chunk
            predictions = Predictions(
                grid=grid,
                density=np.reshape(ensemble.objdata["pdfs"], (-1, grid.n_bins)),
                **{name: ensemble.ancil[name] for name in COLUMNS},
            )
        del chunk, ensemble
        _free_ensembles()
        yield predictions


def _free_ensembles() -> None:
    """Free the ensemble let go of just now: it is in a reference cycle, and its PDFs with it.

    Left to itself the collector waits for thousands of objects, whatever their size: all PDFs of a
    file would be in memory. It looks at young objects only, which takes a millisecond.
    """
    gc.collect(1)


@contextmanager
def _input_errors(path: str | Path) -> Iterator[None]:
    """Turn what h5py and qp raise on a damaged file into InputError; silence qp's warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a qp file ({' '.join(str(error).split())})") from error


def _checked_grid(path: str | Path) -> RedshiftGrid:
    """Grid of a qp hist file that has all of `COLUMNS`, else InputError."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected predictions written by qp")
    with _input_errors(path), h5py.File(path, "r") as file:
        pdfs, bins = _numbers(path, file, "data/pdfs"), _numbers(path, file, "meta/bins")
        if pdfs.ndim != 2 or not len(pdfs):
            raise InputError(f"{path}: data/pdfs must be (N, K); got {pdfs.shape}")
        for name in COLUMNS:
            shape = _numbers(path, file, f"ancil/{name}").shape
            if shape != (len(pdfs),):
                raise InputError(f"{path}: ancil/{name} must be ({len(pdfs)},); got {shape}")
        grid = _grid(path, np.ravel(bins[...]))
        if grid.n_bins != pdfs.shape[1]:
            raise InputError(
                f"{path}: expected {pdfs.shape[1] + 1} edges in meta/bins; received {bins.size}"
            )
        return grid


def _numbers(path: str | Path, file: h5py.File, name: str) -> h5py.Dataset:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{path}: array {name!r} is missing; expected a qp hist file")
    if found.dtype.kind not in "iuf":
        raise InputError(f"{path}: {name} must hold numbers; got dtype {found.dtype}")
    return found


def _grid(path: str | Path, bins: NDArray[Any]) -> RedshiftGrid:
    if len(bins) < 3 or not np.isfinite(bins).all():
        raise InputError(f"{path}: meta/bins must be at least three finite redshifts")
    grid = RedshiftGrid(z_min=float(bins[0]), z_max=float(bins[-1]), n_bins=len(bins) - 1)
    if not np.allclose(bins, grid.edges, rtol=0, atol=1e-9 + 1e-6 * grid.width):
        raise InputError(f"{path}: meta/bins must be equally spaced redshifts")
    return grid
