"""PDFs in 32 bytes: 16 quantiles as uint16, written to Parquet and read back.

A file says of itself what its numbers are, so that any reader of Parquet will do: redshift =
z_min + step * number, at the levels of the CDF in its metadata; between them the CDF is linear.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.redshift_pdf.density import quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import COLUMNS, Column

__all__ = [
    "BLANK",
    "COLUMN",
    "COMPACT_COLUMNS",
    "LEVELS",
    "QuantilePdfs",
    "as_codes",
    "facts",
    "read_quantiles",
]

N_LEVELS, TAIL = 16, 0.005

LEVELS = np.array(
    [NormalDist().cdf(x) for x in np.linspace(-1, 1, N_LEVELS) * NormalDist().inv_cdf(1 - TAIL)]
)
"""(16,) levels of the CDF: equally spaced where the distribution is normal, so that tails count."""

BLANK = 2**16 - 1
"""Every number of a galaxy that has no PDF; the largest of a redshift is one less."""

COLUMN = "pix2z_z_quantiles"

COMPACT_COLUMNS: Mapping[str, Column] = {
    "object_id": COLUMNS["object_id"],
    COLUMN: Column(
        np.dtype((np.uint16, N_LEVELS)),
        "redshifts at the levels of the CDF that the metadata of the file lists: "
        f"z_of_0 + z_per_step * number; {BLANK} where there is no PDF",
    ),
}
"""Columns of a file of compact PDFs."""


def as_codes(density: NDArray[np.floating], grid: RedshiftGrid) -> NDArray[np.uint16]:
    """Quantiles (N, 16) of PDFs (N, K), as steps from the grid's lower end; NaN gives `BLANK`.

    They rise strictly, as readers of quantiles need: two that would be one are a step apart.
    """
    steps = np.rint((quantiles(density, grid, LEVELS) - grid.z_min) / _step(grid))
    order = np.arange(N_LEVELS)
    rising = np.maximum.accumulate(steps - order, axis=1) + order
    codes = np.minimum(rising, BLANK - N_LEVELS + order)
    return np.where(np.isnan(density[:, :1]), BLANK, codes).astype(np.uint16)


def _step(grid: RedshiftGrid) -> float:
    return (grid.z_max - grid.z_min) / (BLANK - 1)


@dataclass(frozen=True, eq=False)
class QuantilePdfs:
    """Compact PDFs of N galaxies.

    Attributes
    ----------
    object_id : (N,) ids of the galaxies.
    codes : (N, L) uint16: steps from the grid's lower end; `BLANK` where there is no PDF.
    levels : (L,) of the CDF.
    grid : the bins that the PDFs were given in.
    """

    object_id: NDArray[np.int64]
    codes: NDArray[np.uint16]
    levels: NDArray[np.float64]
    grid: RedshiftGrid

    def __len__(self) -> int:
        """Count the galaxies."""
        return len(self.object_id)

    @property
    def z(self) -> NDArray[np.float64]:
        """(N, L) redshifts at `levels`; NaN where there is no PDF."""
        z = self.grid.z_min + _step(self.grid) * self.codes
        return np.where(self.codes == BLANK, np.nan, z)

    def known(self) -> "QuantilePdfs":
        """Leave out galaxies without a PDF, which qp refuses."""
        keep = self.codes[:, 0] != BLANK
        return QuantilePdfs(self.object_id[keep], self.codes[keep], self.levels, self.grid)

    def cdf(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """CDF (N, M) at redshifts z (M,): linear between quantiles, and on with their slope."""
        levels = np.concatenate([[0.0], self.levels, [1.0]])
        knots = np.pad(self.z, ((0, 0), (1, 1)))
        gaps = np.diff(self.z) / np.diff(self.levels)
        knots[:, 0] = np.maximum(self.z[:, 0] - gaps[:, 0] * self.levels[0], self.grid.z_min)
        above = self.z[:, -1] + gaps[:, -1] * (1 - self.levels[-1])
        knots[:, -1] = np.minimum(above, self.grid.z_max)
        found = np.zeros((len(self), len(z)))
        for low, high, rise in zip(knots.T, knots[:, 1:].T, np.diff(levels), strict=False):
            width = np.maximum(high - low, np.finfo(float).tiny)
            found += rise * np.clip((z - low[:, None]) / width[:, None], 0.0, 1.0)
        return found

    def density(self) -> NDArray[np.float64]:
        """PDFs (N, K) per unit redshift in the bins of `grid`, as `Redshifts.density`."""
        return np.diff(self.cdf(self.grid.edges)) / self.grid.width


def facts(grid: RedshiftGrid) -> dict[str, str]:
    """What a file of compact PDFs says of itself, so that its reader needs no pix2z."""
    return {
        "pix2z.quantile_levels": json.dumps(LEVELS.tolist()),
        "pix2z.quantile_grid": json.dumps(asdict(grid)),
        "pix2z.quantile_scale": json.dumps(
            {"z_of_0": grid.z_min, "z_per_step": _step(grid), "no_pdf": BLANK}
        ),
    }


def read_quantiles(path: str | Path) -> QuantilePdfs:
    """Read what ``pix2z predict --pdf z.parquet`` wrote: 40 bytes a galaxy in memory.

    Raises
    ------
    InputError
        The file is missing, or is no such file.
    """
    try:
        table = pyarrow.parquet.read_table(path, columns=["object_id", COLUMN])
        told = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        levels = np.array(json.loads(told["pix2z.quantile_levels"]))
        grid = RedshiftGrid(**json.loads(told["pix2z.quantile_grid"]))
        codes = table[COLUMN].combine_chunks().flatten().to_numpy().reshape(-1, len(levels))
        object_id = table["object_id"].to_numpy()
    except (OSError, pa.ArrowException, AttributeError, KeyError, TypeError, ValueError) as error:
        words = " ".join(str(error).split())
        raise InputError(f"{path}: no file of compact PDFs in Parquet ({words})") from error
    return QuantilePdfs(object_id, codes, levels, grid)
