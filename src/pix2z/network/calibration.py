"""Recalibration of PDFs, fitted on calibration rows only (numpy and scipy)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from pix2z.redshift_pdf.density import density_at, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = ["Temperature", "fit_temperature"]

_FLOOR = 1e-12
"""Probability density below which a PDF counts as 0; keeps logarithms finite."""


@dataclass(frozen=True)
class Temperature:
    """p -> p ** (1 / temperature), renormalised (Guo et al. 2017); above 1 widens."""

    temperature: float

    def apply(self, density: NDArray[Any], grid: RedshiftGrid) -> NDArray[np.float64]:
        """Recalibrated densities, (N, K)."""
        logarithm = np.log(np.maximum(np.asarray(density, np.float64), _FLOOR)) / self.temperature
        return normalise(np.exp(logarithm - logarithm.max(axis=1, keepdims=True)), grid)


def fit_temperature(
    density: NDArray[Any], z_spec: NDArray[Any], *, grid: RedshiftGrid
) -> Temperature:
    """Find the temperature with the highest mean log density at the true redshifts.

    Parameters
    ----------
    density : (N, K) of calibration rows, per unit redshift.
    z_spec : (N,) their redshifts.
    """

    def loss(log_temperature: float) -> float:
        scaled = Temperature(float(np.exp(log_temperature))).apply(density, grid)
        return -float(np.log(np.maximum(density_at(scaled, grid, z_spec), _FLOOR)).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.2), np.log(5.0)), method="bounded")
    return Temperature(float(np.exp(best.x)))
