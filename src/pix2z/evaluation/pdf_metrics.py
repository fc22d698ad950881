"""Metrics of histogram PDFs; all exact for a PDF that is constant within bins.

CRPS, CDE loss and PIT follow the SDSS image papers (Pasquet et al. 2019) and RAIL (Schmidt et al.
2020). PIT alone proves nothing: the training n(z) for every galaxy has a uniform PIT; CRPS and CDE
loss tell it from an estimate.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.evaluation.weighted import (
    OrderedSample,
    ks_uniform,
    ordered_sample,
    weighted_mean,
    weighted_sample,
)
from pix2z.redshift_pdf.density import cdf_at, cdf_edges, density_at
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "COVERAGE",
    "PDF_METRICS",
    "PreparedPdfTerms",
    "covered",
    "pdf_mean_terms",
    "pdf_metric_replicates",
    "pdf_terms",
    "prepared_pdf_terms",
]

Array = NDArray[np.float64]
Density = NDArray[np.floating]

COVERAGE = {"coverage_68": 0.68, "coverage_95": 0.95}

PDF_METRICS = ("crps", "cde_loss", "pit_ks", *COVERAGE)


@dataclass(frozen=True, eq=False)
class PreparedPdfTerms:
    """What galaxies add to the PDF metrics, worked out once for all resamples.

    Attributes
    ----------
    names, matrix : (n, T) terms whose means are metrics, and what each is.
    pit : the sorted PIT values.
    """

    names: tuple[str, ...]
    matrix: Array
    pit: OrderedSample


def pdf_terms(density: Density, grid: RedshiftGrid, z_spec: ArrayLike) -> dict[str, Array]:
    """Work out what each galaxy adds to the PDF metrics, (N,) each.

    ``crps`` in redshift; ``cde``, its term of the CDE loss, int p^2 dz - 2 p(z_spec) (Izbicki & Lee
    2017); ``pit``, the probability integral transform F(z_spec), uniform for calibrated PDFs.
    """
    square = (np.asarray(density, np.float64) ** 2).sum(axis=1) * grid.width
    return {
        "crps": crps_values(density, grid, z_spec),
        "cde": square - 2 * density_at(density, grid, z_spec),
        "pit": cdf_at(density, grid, z_spec),
    }


def crps_values(density: Density, grid: RedshiftGrid, z_spec: ArrayLike) -> Array:
    """CRPS of each PDF, (N,), in redshift: integral of (F(z) - 1[z >= z_spec])^2 dz.

    F is linear in each bin, and the integral of a squared linear function from a to b over a
    length h is h (a^2 + ab + b^2) / 3; the bin that holds z_spec is cut there. A z_spec outside
    the grid adds its distance to the grid, where the integrand is 1.
    """
    truth = np.asarray(z_spec, np.float64)
    edges = cdf_edges(density, grid)
    inside = np.clip(truth, grid.z_min, grid.z_max)
    bin_number = grid.bin_index(inside)
    row = np.arange(len(edges))
    at_truth = cdf_at(density, grid, inside)
    below = _running(_square(edges[:, :-1], edges[:, 1:]) * grid.width)
    above = _running(_square(1 - edges[:, :-1], 1 - edges[:, 1:]) * grid.width)
    left, right = edges[row, bin_number], edges[row, bin_number + 1]
    length = np.clip(inside - grid.edges[bin_number], 0.0, grid.width)
    whole_bins = below[row, bin_number] + above[:, -1] - above[row, bin_number + 1]
    cut_bin = length * _square(left, at_truth)
    cut_bin += (grid.width - length) * _square(1 - at_truth, 1 - right)
    return np.asarray(whole_bins + cut_bin + np.abs(truth - inside))


def covered(pit: Array, level: float) -> NDArray[np.bool_]:
    """Tell whose z_spec lies in the central interval of a level, by PIT values (n,).

    It runs from the (1 - level) / 2 to the (1 + level) / 2 quantile, which holds z_spec where
    (1 - level) / 2 <= PIT <= (1 + level) / 2.
    """
    # Half a part in 10^9 of tolerance: 0.84 - 0.5 is not 0.34 in binary.
    inside: NDArray[np.bool_] = np.abs(pit - 0.5) <= level / 2 + 5e-10
    return inside


def prepared_pdf_terms(crps: Array, cde: Array, pit: Array) -> PreparedPdfTerms:
    """Sort the PIT values (n,), and lay the other terms side by side."""
    columns = pdf_mean_terms(crps, cde, pit)
    matrix = np.stack(list(columns.values()), axis=1)
    return PreparedPdfTerms(tuple(columns), matrix, ordered_sample(pit))


def pdf_mean_terms(crps: Array, cde: Array, pit: Array) -> dict[str, Array]:
    """Work out what each galaxy adds, (n,), to every metric that is a mean over galaxies."""
    held = {name: covered(pit, level).astype(np.float64) for name, level in COVERAGE.items()}
    return {"crps": crps, "cde_loss": cde} | held


def pdf_metric_replicates(
    terms: PreparedPdfTerms, weights: Array, *, only: Collection[str] = PDF_METRICS
) -> dict[str, Array]:
    """Every PDF metric under each of B sets of integer weights (B, n): name -> (B,).

    Mean CRPS and CDE loss, KS distance of the PIT from uniform, coverage of central intervals; NaN
    for an empty sample. `only` names the wanted ones; what they do not need is not worked out.
    """
    names = [name for name in PDF_METRICS if name in only]
    if not len(terms.matrix):
        return {name: np.full(len(weights), np.nan) for name in names}
    means = weighted_mean(terms.matrix, weights)
    values = dict(zip(terms.names, means.T, strict=True))
    if "pit_ks" in names:
        values["pit_ks"] = ks_uniform(weighted_sample(terms.pit, weights))
    return {name: values[name] for name in names}


def _square(first: Array, last: Array) -> Array:
    """Mean of a squared linear function that runs from `first` to `last`."""
    return (first**2 + first * last + last**2) / 3


def _running(values: Array) -> Array:
    """Sum along the bins, with a leading 0, (N, K + 1)."""
    return np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
