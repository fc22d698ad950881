"""PDFs in 32 bytes: what they lose, how they are read, and what has none."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import qp

from pix2z.catalogue.compact_pdfs import (
    BLANK,
    LEVELS,
    QuantilePdfs,
    as_codes,
    read_quantiles,
)
from pix2z.errors import InputError
from pix2z.evaluation.pdf_metrics import crps_values
from pix2z.redshift_pdf.density import cdf_edges, mean, normalise, quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from tests.catalogue.conftest import PixelReader, predict_and_write

GRID = RedshiftGrid(0.0, 0.4, 180)


def normal(z, sigma):
    return np.exp(-((GRID.centres - z) ** 2) / (2 * sigma**2)) / sigma


def compact(density, grid=GRID):
    return QuantilePdfs(np.arange(len(density)), as_codes(density, grid), LEVELS, grid)


def largest_errors(density):
    """Largest error (N,) of each CDF, at eight points in each bin."""
    fine = np.linspace(GRID.z_min, GRID.z_max, 8 * GRID.n_bins + 1)
    whole = [np.interp(fine, GRID.edges, edges) for edges in cdf_edges(density, GRID)]
    return np.abs(compact(density).cdf(fine) - whole).max(axis=1)


rng = np.random.default_rng(8)
ONE_PEAK = [normal(z, s) for z, s in zip(rng.uniform(0, 0.4, 60), rng.uniform(0.003, 0.06, 60))]  # noqa: B905
IN_ONE_BIN = [np.eye(GRID.n_bins)[k] + 1e-12 for k in (0, 1, 77, 178, 179)]
AT_THE_ENDS = [normal(-0.01, 0.01), normal(0.0, 0.003), normal(0.41, 0.01), GRID.centres]
TWO_PEAKS = [
    share * normal(0.1, 0.01) + (1 - share) * normal(0.3, 0.02) for share in (0.03, 0.3, 0.5, 0.9)
]
RANDOM = [*rng.gamma(0.3, size=(40, GRID.n_bins)) + 1e-9]
