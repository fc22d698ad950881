"""PDFs for point estimators: the distribution of their calibration residuals, moved to z_phot.

The residual z_spec - z_phot is distributed differently at different z_phot, so calibration galaxies
are cut into bins of z_phot with equal numbers of galaxies, and each bin keeps its own distribution.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.redshift_pdf.density import normalise
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = ["ResidualPdf", "fit_residual_pdf", "from_dict", "residual_density", "to_dict"]

FLOOR = 1e-6
"""Share spread evenly over the grid, so that no redshift is called impossible."""

STEPS_PER_BIN = 2
"""Steps of the residual axis per redshift bin."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ResidualPdf:
    """Residual distributions in bins of z_phot.

    Attributes
    ----------
    grid : the redshift bins of the PDFs it makes.
    z_phot : (B,) median z_phot of each bin, rising.
    cdf : (B, M) CDF of z_spec - z_phot at `_residuals`, piecewise linear in between.
    """

    grid: RedshiftGrid
    z_phot: Array
    cdf: Array


def fit_residual_pdf(
    z_phot: ArrayLike, z_spec: ArrayLike, *, grid: RedshiftGrid, n_phot_bins: int
) -> ResidualPdf:
    """Fit residual distributions to calibration galaxies, never to those they are used for.

    Each is a fine histogram smoothed by a Gaussian kernel of Silverman's (1986, eq. 3.31) width,
    0.9 min(sd, IQR / 1.349) n^(-1/5).

    Parameters
    ----------
    z_phot, z_spec : (N,) of calibration galaxies.
    n_phot_bins : bins of z_phot; fewer where a bin would have less than two galaxies.
    """
    phot, spec = np.asarray(z_phot, np.float64), np.asarray(z_spec, np.float64)
    if phot.shape != spec.shape or phot.ndim != 1 or len(phot) < 2:
        raise ValueError(
            f"z_phot, z_spec must be (N,), N at least 2; got {phot.shape}, {spec.shape}"
        )
    if not (np.isfinite(phot).all() and np.isfinite(spec).all()):
        raise ValueError("z_phot and z_spec must be finite")
    phot = np.clip(phot, grid.z_min, grid.z_max)
    bins = np.array_split(np.argsort(phot, kind="stable"), min(n_phot_bins, len(phot) // 2))
    centres = np.array([np.median(phot[rows]) for rows in bins])
    cdf = np.stack([_smooth_cdf(spec[rows] - phot[rows], grid) for rows in bins])
    return ResidualPdf(grid=grid, z_phot=centres, cdf=cdf)


def residual_density(model: ResidualPdf, z_phot: ArrayLike) -> Array:
    """PDF of each galaxy, (N, K) per unit redshift: residuals added to z_phot, cut to the grid.

    Between the bins' z_phot their distributions are mixed linearly, beyond the outermost ones that
    of the nearest is taken.
    """
    grid = model.grid
    phot = np.clip(np.asarray(z_phot, np.float64), grid.z_min, grid.z_max)
    upper = np.clip(
        np.searchsorted(model.z_phot, phot, side="right"), 1, max(len(model.cdf) - 1, 1)
    )
    mass, residuals = np.zeros((len(phot), grid.n_bins)), _residuals(grid)
    for index, cdf in enumerate(model.cdf):
        share = _share(model.z_phot, phot, upper, index)
        rows = np.flatnonzero(share > 0)
        at_edges = np.interp(grid.edges[None, :] - phot[rows, None], residuals, cdf)
        mass[rows] += share[rows, None] * np.diff(at_edges, axis=1)
    return normalise(mass + FLOOR / grid.n_bins, grid)


def to_dict(model: ResidualPdf) -> dict[str, Any]:
    """Return the model as plain values for JSON."""
    return {
        "grid": asdict(model.grid),
        "z_phot": model.z_phot.tolist(),
        "cdf": model.cdf.tolist(),
    }


def from_dict(values: Mapping[str, Any]) -> ResidualPdf:
    """Rebuild the model from `to_dict`."""
    return ResidualPdf(
        grid=RedshiftGrid(**values["grid"]),
        z_phot=np.asarray(values["z_phot"], np.float64),
        cdf=np.asarray(values["cdf"], np.float64),
    )


def _residuals(grid: RedshiftGrid) -> Array:
    """(M,) residuals from -(z_max - z_min) to z_max - z_min."""
    reach = grid.z_max - grid.z_min
    return np.linspace(-reach, reach, 2 * STEPS_PER_BIN * grid.n_bins + 1)


def _smooth_cdf(residuals: Array, grid: RedshiftGrid) -> Array:
    """CDF (M,) of residuals at the residual axis."""
    from scipy.ndimage import gaussian_filter1d  # not needed by what estimates

    axis = _residuals(grid)
    step = axis[1] - axis[0]
    counts = np.histogram(np.clip(residuals, axis[0], axis[-1]), bins=axis)[0].astype(np.float64)
    quarter, three_quarters = np.percentile(residuals, [25, 75])
    spread = min(float(np.std(residuals)), float(three_quarters - quarter) / 1.349)
    width = 0.9 * spread * len(residuals) ** -0.2
    smooth = gaussian_filter1d(counts, max(width / step, 0.5), mode="constant", truncate=5)
    cdf = np.concatenate([[0.0], np.cumsum(smooth)])
    return np.asarray(cdf / cdf[-1])


def _share(centres: Array, phot: Array, upper: NDArray[np.int64], index: int) -> Array:
    """Weight (N,) of bin `index` in the mixture for each z_phot."""
    if len(centres) == 1:
        return np.ones(len(phot))
    low, high = centres[upper - 1], centres[upper]
    gap = np.where(high > low, high - low, 1.0)
    to_upper = np.clip((phot - low) / gap, 0.0, 1.0)
    return np.where(upper == index, to_upper, np.where(upper - 1 == index, 1.0 - to_upper, 0.0))
