"""Recalibration of PDFs, fitted on calibration rows only (numpy and scipy)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from pix2z.redshift_pdf.density import density_at, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = ["MOST_TEMPERATURE_ROWS", "Temperature", "evenly_spread", "fit_temperature"]

_FLOOR = 1e-12
"""Probability density below which a PDF counts as 0; keeps logarithms finite."""

MOST_TEMPERATURE_ROWS = 20_000
"""Calibration galaxies behind a temperature, at most, since their PDFs are held while it is fitted.

The width of a normal PDF of n galaxies is known to 1 / sqrt(2 n): 0.5 % here.
"""

_CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Temperature:
    """p -> p ** (1 / temperature), renormalised (Guo et al. 2017); above 1 widens."""

    temperature: float

    def apply(self, density: NDArray[Any], grid: RedshiftGrid) -> NDArray[np.float64]:
        """Recalibrated densities, (N, K)."""
        logarithm = np.log(np.maximum(np.asarray(density, np.float64), _FLOOR)) / self.temperature
        return normalise(np.exp(logarithm - logarithm.max(axis=1, keepdims=True)), grid)


def evenly_spread(rows: NDArray[np.int64], *, most: int) -> NDArray[np.int64]:
    """Pick at most `most` of the rows (n,), at even distances in their order; all where n fits."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def fit_temperature(
    density: NDArray[Any], z_spec: NDArray[Any], *, grid: RedshiftGrid
) -> Temperature:
    """Find the temperature with the highest mean log density at the true redshifts.

    Parameters
    ----------
    density : (N, K) of calibration rows, per unit redshift.
    z_spec : (N,) their redshifts.
    """
    starts = range(0, len(density), _CHUNK_ROWS)
    chunks = [slice(start, start + _CHUNK_ROWS) for start in starts]

    def loss(log_temperature: float) -> float:
        scale = Temperature(float(np.exp(log_temperature)))
        at_truth = [density_at(scale.apply(density[c], grid), grid, z_spec[c]) for c in chunks]
        return -float(np.log(np.maximum(np.concatenate(at_truth), _FLOOR)).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.2), np.log(5.0)), method="bounded")
    return Temperature(float(np.exp(best.x)))
