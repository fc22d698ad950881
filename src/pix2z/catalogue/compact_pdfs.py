"""Compact PDFs in Parquet: 20 quantiles in at most 32 bytes, in the form of Rubin's first preview.

The column of quantiles is nested: `locs` are redshifts, `quants` the levels of the CDF at which
they are, the same in every row. It is named as the reader of lsdb's tutorial of that preview
expects, which turns it into qp's `quant`. Redshifts are rounded to a power of two, so that zstd
finds two of their four bytes empty.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.redshift_pdf.density import quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import COLUMNS, Column

__all__ = [
    "COLUMN",
    "COMPACT_COLUMNS",
    "ENCODING",
    "LEVELS",
    "NO_PDF",
    "QuantilePdfs",
    "as_quantiles",
    "facts",
    "read_quantiles",
]

N_LEVELS, TAIL, UNIFORM = 20, 0.005, 0.1

LEVELS = (1 - UNIFORM) * np.array(
    [NormalDist().cdf(NormalDist().inv_cdf(TAIL) * x) for x in np.linspace(1, -1, N_LEVELS)]
) + UNIFORM * np.linspace(TAIL, 1 - TAIL, N_LEVELS)
"""(20,) levels of the CDF, 0.005 to 0.995: nine tenths equally spaced in a normal distribution, so
that tails count, one tenth equally spaced in probability, so that second peaks do."""

STEPS_PER_BIN = 32
"""Least steps of redshift in a bin of PDFs."""

NO_PDF = np.arange(-99.0, -99.0 + N_LEVELS)
"""(20,) redshifts of a galaxy that has no PDF: impossible, but rising, so that qp reads its
neighbours."""

COLUMN = f"pix2z_ens_quant_{N_LEVELS}"

COMPACT_COLUMNS: Mapping[str, Column] = {
    "object_id": COLUMNS["object_id"],
    COLUMN: Column(
        np.dtype([("locs", np.float32, (N_LEVELS,)), ("quants", np.float64, (N_LEVELS,))]),
        "locs: redshifts at which the CDF is quants; between them it is linear; "
        f"{NO_PDF[0]:g} to {NO_PDF[-1]:g} where there is no PDF",
    ),
}
"""Columns of a file of compact PDFs."""

ENCODING: Mapping[str, Any] = {
    "column_encoding": {f"{COLUMN}.locs.list.element": "BYTE_STREAM_SPLIT"},
    "compression_level": 9,
    "use_dictionary": [f"{COLUMN}.quants.list.element"],
}
"""Options of pyarrow's writer: the bytes of redshifts apart, the levels once for all rows."""


def as_quantiles(density: NDArray[np.floating], grid: RedshiftGrid) -> NDArray[np.void]:
    """Rows (N,) of `COLUMN` of PDFs (N, K) on `grid`; those of NaN get `NO_PDF`.

    Redshifts rise strictly, as readers of quantiles need: two that would be one are a step apart.
    None is outside of the grid.
    """
    step, order = _step(grid), np.arange(N_LEVELS)
    first, last = np.ceil(grid.z_min / step), np.floor(grid.z_max / step)
    steps = np.rint(quantiles(density, grid, LEVELS) / step) - order
    rising = np.clip(np.maximum.accumulate(steps, axis=1), first, last + 1 - N_LEVELS) + order
    rows = np.zeros(len(density), COMPACT_COLUMNS[COLUMN].dtype)
    rows["locs"] = np.where(np.isnan(density[:, :1]), NO_PDF, step * rising)
    rows["quants"] = LEVELS
    return rows


def _step(grid: RedshiftGrid) -> float:
    """Redshift to whose multiples quantiles are rounded."""
    return float(2.0 ** np.floor(np.log2(grid.width / STEPS_PER_BIN)))


@dataclass(frozen=True, eq=False)
class QuantilePdfs:
    """Compact PDFs of N galaxies.

    Attributes
    ----------
    object_id : (N,) ids of the galaxies.
    z : (N, L) redshifts at `levels`; NaN where there is no PDF.
    levels : (L,) of the CDF.
    grid : the bins that the PDFs were given in.
    """

    object_id: NDArray[np.int64]
    z: NDArray[np.float32]
    levels: NDArray[np.float64]
    grid: RedshiftGrid

    def __len__(self) -> int:
        """Count the galaxies."""
        return len(self.object_id)

    def cdf(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """CDF (N, M) at redshifts z (M,): linear between quantiles, and on with their slope."""
        levels = np.concatenate([[0.0], self.levels, [1.0]])
        gaps = np.diff(self.z) / np.diff(self.levels)
        below = self.z[:, :1] - gaps[:, :1] * self.levels[0]
        above = self.z[:, -1:] + gaps[:, -1:] * (1 - self.levels[-1])
        ends = np.maximum(below, self.grid.z_min), np.minimum(above, self.grid.z_max)
        knots = np.concatenate([ends[0], self.z, ends[1]], axis=1)
        found = np.zeros((len(self), len(z)))
        for low, high, rise in zip(knots.T, knots[:, 1:].T, np.diff(levels), strict=False):
            width = np.maximum(high - low, np.finfo(np.float64).tiny)
            found += rise * np.clip((z - low[:, None]) / width[:, None], 0.0, 1.0)
        return found

    def density(self) -> NDArray[np.float64]:
        """PDFs (N, K) per unit redshift in the bins of `grid`, as `Redshifts.density`."""
        return np.diff(self.cdf(self.grid.edges)) / self.grid.width


def facts(grid: RedshiftGrid) -> dict[str, str]:
    """Say of a file of compact PDFs what its numbers are, so that its reader needs no pix2z."""
    return {
        "pix2z.quantile_levels": json.dumps(LEVELS.tolist()),
        "pix2z.quantile_grid": json.dumps(asdict(grid)),
        "pix2z.quantile_step": json.dumps(_step(grid)),
        "pix2z.quantiles_without_pdf": json.dumps(NO_PDF.tolist()),
    }


def read_quantiles(path: str | Path) -> QuantilePdfs:
    """Read what ``pix2z predict --pdf z.parquet`` wrote; some 250 bytes a galaxy in memory.

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
        locs = pa.compute.struct_field(table[COLUMN].combine_chunks(), "locs")
        z = locs.flatten().to_numpy().reshape(-1, len(levels))
        object_id = table["object_id"].to_numpy()
    except (OSError, pa.ArrowException, AttributeError, KeyError, TypeError, ValueError) as error:
        words = " ".join(str(error).split())
        raise InputError(f"{path}: no file of compact PDFs in Parquet ({words})") from error
    return QuantilePdfs(object_id, np.where(z < NO_PDF[-1] + 1, np.nan, z), levels, grid)
