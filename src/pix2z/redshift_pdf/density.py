"""Histogram PDFs: normalisation, CDF, quantiles and moments, all exact.

``density: (N, K)`` holds one PDF per row, per unit redshift and constant within each of the K bins
of a `RedshiftGrid`; ``density.sum(axis=1) * grid.width == 1``. The CDF is therefore piecewise
linear between bin edges, 0 below and 1 above the grid.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "cdf_at",
    "cdf_edges",
    "density_at",
    "mean",
    "median",
    "mix",
    "mode",
    "normalise",
    "quantiles",
    "second_peak",
    "std",
]

Array = NDArray[np.float64]
Density = NDArray[np.floating]


def normalise(density: ArrayLike, grid: RedshiftGrid) -> Array:
    """Scale each row to integrate to 1; rows must be finite, non-negative and not all zero."""
    values = _checked(density, grid)
    total = values.sum(axis=1, keepdims=True) * grid.width
    if not (np.isfinite(total).all() and (total > 0).all() and (values >= 0).all()):
        raise ValueError("density must be finite, non-negative and not all zero in every row")
    return np.asarray(values / total)


def cdf_edges(density: Density, grid: RedshiftGrid) -> Array:
    """CDF at the bin edges, (N, K + 1); the first is 0, the last exactly 1."""
    values = _checked(density, grid)
    edges = np.zeros((len(values), grid.n_bins + 1))
    np.cumsum(values, axis=1, out=edges[:, 1:])
    edges[:, 1:] /= edges[:, -1:].copy()
    return edges


def cdf_at(density: Density, grid: RedshiftGrid, z: ArrayLike) -> Array:
    """CDF of row n at z[n], (N,): at the true redshift this is the PIT value."""
    edges = cdf_edges(density, grid)
    z_inside = np.clip(np.asarray(z, np.float64), grid.z_min, grid.z_max)
    bin_number = grid.bin_index(z_inside)
    row = np.arange(len(edges))
    share = np.clip((z_inside - grid.edges[bin_number]) / grid.width, 0.0, 1.0)
    left = edges[row, bin_number]
    return left + share * (edges[row, bin_number + 1] - left)


def density_at(density: Density, grid: RedshiftGrid, z: ArrayLike) -> Array:
    """PDF of row n at z[n], (N,); 0 outside the grid."""
    values = _checked(density, grid)
    z_given = np.asarray(z, np.float64)
    inside = (z_given >= grid.z_min) & (z_given <= grid.z_max)
    return np.where(inside, values[np.arange(len(values)), grid.bin_index(z_given)], 0.0)


def quantiles(density: Density, grid: RedshiftGrid, levels: ArrayLike) -> Array:
    """Exact inverse of the piecewise-linear CDF at `levels` (L,), shape (N, L).

    Where the CDF is flat at a level, the smallest redshift that reaches it is returned.
    """
    edges = cdf_edges(density, grid)
    row = np.arange(len(edges))
    columns = []
    for level in np.atleast_1d(np.asarray(levels, np.float64)):
        # The first bin that reaches it; the last one does, since the CDF ends at exactly 1.
        bin_number = np.argmax(edges[:, 1:] >= level, axis=1)
        left, right = edges[row, bin_number], edges[row, bin_number + 1]
        rise = np.where(right > left, right - left, 1.0)  # flat only where level is 0
        share = np.clip((level - left) / rise, 0.0, 1.0)
        columns.append(grid.edges[bin_number] + share * grid.width)
    return np.stack(columns, axis=1)


def mean(density: Density, grid: RedshiftGrid) -> Array:
    """Mean of each PDF, (N,)."""
    # A product of matrices rounds by how many rows there are.
    return np.asarray(np.einsum("nk,k->n", _shares(density, grid), grid.centres))


def median(density: Density, grid: RedshiftGrid) -> Array:
    """Median of each PDF, (N,): the point estimate that minimises the expected |error|."""
    return quantiles(density, grid, [0.5])[:, 0]


def mode(density: Density, grid: RedshiftGrid) -> Array:
    """Centre of the highest bin of each PDF, (N,)."""
    return np.asarray(grid.centres[np.argmax(_checked(density, grid), axis=1)])


def second_peak(density: Density, grid: RedshiftGrid, *, resolution: float) -> Array:
    """Probability (N,) of the second most probable of the ranges where a PDF is high; 0 if one.

    High is above a fifth of its maximum, of PDFs smoothed by a normal distribution of standard
    deviation `resolution`, in redshift: peaks much closer than that are one.
    """
    values = _smoothed(_checked(density, grid), resolution / grid.width)
    high = values > 0.2 * values.max(axis=1, keepdims=True)
    begins = high & ~np.pad(high, ((0, 0), (1, 0)))[:, :-1]
    second = np.zeros(len(values))
    several = np.flatnonzero(np.count_nonzero(begins, axis=1) > 1)  # few PDFs have a second
    high, values = high[several], values[several]
    range_number = np.cumsum(begins[several], axis=1)
    first, next_to_it = np.zeros(len(several)), np.zeros(len(several))
    for number in range(1, int(range_number.max(initial=0)) + 1):
        inside = high & (range_number == number)
        share = np.where(inside, values, 0.0).sum(axis=1) * grid.width
        next_to_it = np.maximum(next_to_it, np.minimum(first, share))
        first = np.maximum(first, share)
    second[several] = next_to_it
    return second


def _smoothed(values: Array, sigma: float) -> Array:
    """Rows (N, K) smoothed by a normal distribution that ends at 4 sigma bins; 0 outside of them.

    As `scipy.ndimage.gaussian_filter1d`, in a quarter of the time: products of matrices so small
    that a numpy library does not share them out among threads, which the callers are already.
    """
    matrix, reach = _smoothing(values.shape[1], sigma)
    n, n_bins = values.shape
    whole = np.zeros((-(-n // _ROWS), _ROWS, n_bins))
    whole.reshape(-1, n_bins)[:n] = values
    smooth = np.empty_like(whole)
    for first in range(0, n_bins, _BINS):
        last = min(first + _BINS, n_bins)
        near = slice(max(first - reach, 0), last + reach)
        np.matmul(whole[..., near], matrix[near, first:last], out=smooth[..., first:last])
    return smooth.reshape(-1, n_bins)[:n]


_ROWS, _BINS = 32, 60


@lru_cache(4)
def _smoothing(n_bins: int, sigma: float) -> tuple[Array, int]:
    """(K, K) matrix that smooths rows of K bins, and how many bins away it still reaches."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    apart = np.subtract.outer(np.arange(n_bins), np.arange(n_bins))
    inside = np.abs(apart) <= reach
    matrix = np.where(inside, (weights / weights.sum())[np.where(inside, apart, 0) + reach], 0.0)
    return matrix, reach


def std(density: Density, grid: RedshiftGrid) -> Array:
    """Give the standard deviation of each PDF, (N,), the bins' own width**2 / 12 included."""
    shares = _shares(density, grid)
    centre = shares @ grid.centres
    variance: Array = ((grid.centres - centre[:, None]) ** 2 * shares).sum(axis=1)
    return np.sqrt(variance + grid.width**2 / 12)


def mix(densities: Sequence[Density]) -> Array:
    """Equal-weight mixture of PDFs on one grid: the mean over the members, (N, K)."""
    if not densities or len({np.shape(member) for member in densities}) != 1:
        raise ValueError(f"expected members of one shape; got {[np.shape(m) for m in densities]}")
    total = np.zeros(np.shape(densities[0]))
    for member in densities:
        total += member
    return np.asarray(total / len(densities))


def _shares(density: Density, grid: RedshiftGrid) -> Array:
    values = _checked(density, grid)
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def _checked(density: ArrayLike, grid: RedshiftGrid) -> Array:
    values = np.asarray(density, np.float64)
    if values.ndim != 2 or values.shape[1] != grid.n_bins:
        raise ValueError(f"density must have shape (N, {grid.n_bins}); got {values.shape}")
    return values
