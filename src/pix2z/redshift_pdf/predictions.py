"""What every arm and control predicts for the test galaxies: PDFs, point estimates, and keys."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = ["COLUMNS", "Predictions", "columns_of", "select"]

COLUMNS = {
    "row": np.int64,
    "object_id": np.int64,
    "group_id": np.int64,
    "z_spec": np.float64,
    "z_phot": np.float64,
    "mag_r": np.float32,
    "ebv": np.float32,
}
"""Columns beside the PDFs, with the dtype each is stored in."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """PDFs and point estimates of N galaxies; arrays are brought to their stored dtype.

    Attributes
    ----------
    grid : the bins of the PDFs.
    density : (N, K) float32, per unit redshift.
    row : (N,) row in galaxies.h5.
    object_id, group_id : (N,) ids; rows of one group (parent galaxy) are not independent.
    z_spec : (N,) true redshift.
    z_phot : (N,) the declared point estimate (PDF median, or a point estimator's own output).
    mag_r : (N,) r magnitude measured on the stamp.
    ebv : (N,) Galactic E(B-V) in magnitudes.
    """

    grid: RedshiftGrid
    density: NDArray[np.float32]
    row: NDArray[np.int64]
    object_id: NDArray[np.int64]
    group_id: NDArray[np.int64]
    z_spec: NDArray[np.float64]
    z_phot: NDArray[np.float64]
    mag_r: NDArray[np.float32]
    ebv: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Bring arrays to their dtypes; refuse lengths and shapes that do not fit."""
        density = np.asarray(self.density, np.float32)
        if density.ndim != 2 or density.shape[1] != self.grid.n_bins:
            raise ValueError(f"density must be (N, {self.grid.n_bins}); got {density.shape}")
        object.__setattr__(self, "density", density)
        for name, dtype in COLUMNS.items():
            values = np.asarray(getattr(self, name), dtype)
            if values.shape != (len(density),):
                raise ValueError(f"{name} must have shape ({len(density)},); got {values.shape}")
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        """Count the galaxies."""
        return len(self.density)


def columns_of(predictions: Predictions) -> dict[str, NDArray[Any]]:
    """Everything beside the PDFs, by the names of `COLUMNS`."""
    return {name: getattr(predictions, name) for name in COLUMNS}


def select(predictions: Predictions, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
    """Pick galaxies by a mask or an index array."""
    columns = {name: values[keep] for name, values in columns_of(predictions).items()}
    return Predictions(grid=predictions.grid, density=predictions.density[keep], **columns)
