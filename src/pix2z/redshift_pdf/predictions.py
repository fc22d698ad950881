"""What every arm and control predicts for galaxies: PDFs, point estimates, and keys.

A pool's predictions stand in a folder of qp files, one for each part of the sample that trained
nothing; predictions.json there says of which pool and of which test set they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError, IntegrityError
from pix2z.files import file_digest, read_json, write_json
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "COLUMNS",
    "PART_FILES",
    "PARTS_INDEX",
    "Predictions",
    "columns_of",
    "part_file",
    "select",
    "write_parts_index",
]

PARTS_INDEX = "predictions.json"

PART_FILES: Mapping[str, str] = {
    "validation": "validation.hdf5",
    "calibration": "calibration.hdf5",
    "test": "pool.hdf5",
}
"""Part of the sample -> file with the predictions of a pool for its rows."""

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


def write_parts_index(folder: Path, *, pool_digest: str, test_digest: str) -> None:
    """Write predictions.json over the files of `PART_FILES` in `folder`, which are there already.

    Parameters
    ----------
    pool_digest : digest of the pool's pool.json. test_digest : of the split, see `dataset.splits`.
    """
    parts = {
        part: {"file": file, "sha256": file_digest(folder / file)}
        for part, file in PART_FILES.items()
    }
    index = {"pool_digest": pool_digest, "test_digest": test_digest, "parts": parts}
    write_json(folder / PARTS_INDEX, index)


def part_file(folder: Path, part: str, *, pool_digest: str, test_digest: str) -> Path:
    """Return the file of a pool's predictions of one part: validation, calibration or test.

    Raises
    ------
    InputError
        It is missing, or predictions.json is not what `network.predictions` writes.
    IntegrityError
        It is of another pool or test set, or was altered; named is the digest at fault.
    """
    index = read_json(folder / PARTS_INDEX)
    try:
        recorded = {name: str(index[name]) for name in ("pool_digest", "test_digest")}
        path = folder / PART_FILES[part]
        sha256 = index["parts"][part]["sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / PARTS_INDEX}: has no entry {error}") from error
    expected = {"pool_digest": pool_digest, "test_digest": test_digest}
    for name, digest in expected.items():
        if recorded[name] != digest:
            raise IntegrityError(
                f"{folder / PARTS_INDEX}: predictions of another {name.removesuffix('_digest')}: "
                f"expected {name} {digest}; received {recorded[name]}"
            )
    if file_digest(path) != sha256:
        raise IntegrityError(f"{path}: does not match its sha256 in {PARTS_INDEX}")
    return path
