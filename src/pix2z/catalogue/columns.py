"""The columns of a catalogue of redshifts, named as Rubin's photometric redshifts are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pix2z.catalogue.flags import FLAG_MEANINGS
from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = ["COLUMNS", "FLAGS_IN_WORDS", "Column", "catalogue_columns"]

FLAGS_IN_WORDS = "; ".join(f"{bit}: {meaning}" for bit, meaning in FLAG_MEANINGS.items())


@dataclass(frozen=True)
class Column:
    """A column's stored dtype and what it holds; redshifts have no unit."""

    dtype: DTypeLike
    meaning: str


# float32 resolves 1e-8 at these redshifts, far below any error, in half the space.
COLUMNS: Mapping[str, Column] = {
    "object_id": Column(np.int64, "id in the input file, or its row number where it has none"),
    "pix2z_z_median": Column(np.float32, "redshift: median of the PDF"),
    "pix2z_z_mean": Column(np.float32, "redshift: mean of the PDF"),
    "pix2z_z_mode": Column(np.float32, "redshift: centre of the PDF's highest bin"),
    "pix2z_z_err68_low": Column(np.float32, "redshift: lower limit of the central 68 %"),
    "pix2z_z_err68_high": Column(np.float32, "redshift: upper limit of the central 68 %"),
    "pix2z_z_err95_low": Column(np.float32, "redshift: lower limit of the central 95 %"),
    "pix2z_z_err95_high": Column(np.float32, "redshift: upper limit of the central 95 %"),
    "flags": Column(np.int32, f"sum of bits; {FLAGS_IN_WORDS}"),
}


def catalogue_columns(object_id: NDArray[np.int64], found: Redshifts) -> dict[str, NDArray[Any]]:
    """Column -> (n,) values in the stored dtype, in the order of `COLUMNS`."""
    values: dict[str, NDArray[Any]] = {
        "object_id": object_id,
        "pix2z_z_median": found.z_median,
        "pix2z_z_mean": found.z_mean,
        "pix2z_z_mode": found.z_mode,
        "pix2z_z_err68_low": found.err68_low,
        "pix2z_z_err68_high": found.err68_high,
        "pix2z_z_err95_low": found.err95_low,
        "pix2z_z_err95_high": found.err95_high,
        "flags": found.flags,
    }
    return {name: values[name].astype(column.dtype) for name, column in COLUMNS.items()}
