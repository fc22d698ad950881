"""Predictions in qp's HDF5 format, written and read by qp itself; the only module that knows qp.

The PDFs are qp's `hist` parameterisation (``meta/bins``, ``data/pdfs``); every column of
`Predictions` is an ancillary array of the same name.
"""

from pathlib import Path

import numpy as np
import qp

from pix2z.errors import InputError
from pix2z.files import atomic_path
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS, Predictions

__all__ = ["read_predictions", "write_predictions"]


def write_predictions(path: str | Path, predictions: Predictions) -> None:
    """Write predictions as a qp `hist` ensemble, atomically; the name must end in .hdf5."""
    if Path(path).suffix != ".hdf5":
        raise InputError(f"{path}: predictions are written as .hdf5; got {Path(path).suffix!r}")
    if not len(predictions):
        raise InputError(f"{path}: no galaxy to write; expected at least one prediction")
    ensemble = qp.Ensemble(
        qp.hist,
        data={"bins": predictions.grid.edges, "pdfs": predictions.density, "norm": False},
        ancil={name: getattr(predictions, name) for name in COLUMNS},
    )
    with atomic_path(path) as partial:
        ensemble.write_to(str(partial))


def read_predictions(path: str | Path) -> Predictions:
    """Read what `write_predictions` wrote; InputError names the file and what is wrong with it."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected predictions written by qp")
    try:
        ensemble = qp.read(str(path))
        bins, pdfs = np.ravel(ensemble.metadata["bins"]), ensemble.objdata["pdfs"]
        columns = {name: ensemble.ancil[name] for name in COLUMNS}
    except KeyError as error:
        raise InputError(f"{path}: array {error} is missing; expected a qp hist file") from error
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a qp file ({' '.join(str(error).split())})") from error
    grid = _grid(path, bins)
    try:
        return Predictions(grid=grid, density=np.reshape(pdfs, (-1, grid.n_bins)), **columns)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _grid(
    path: str | Path, bins: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> RedshiftGrid:
    grid = RedshiftGrid(z_min=float(bins[0]), z_max=float(bins[-1]), n_bins=len(bins) - 1)
    if not np.allclose(bins, grid.edges, rtol=0, atol=1e-9 + 1e-6 * grid.width):
        raise InputError(f"{path}: meta/bins must be equally spaced redshifts")
    return grid
