"""Recalibration of PDFs, fitted on calibration rows only (numpy and scipy)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.redshift_pdf.density import normalise, quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "MOST_TEMPERATURE_ROWS",
    "LocalTemperature",
    "Temperature",
    "evenly_spread",
    "fit_temperature",
]

Array = NDArray[np.float64]

_FLOOR = 1e-12
"""Probability density below which a PDF counts as 0; keeps logarithms finite."""

MOST_TEMPERATURE_ROWS = 20_000
"""Calibration galaxies behind a temperature, at most, since their PDFs are held while it is fitted.

The width of a normal PDF of n galaxies is known to 1 / sqrt(2 n): 0.5 % here.
"""

CALIBRATED_PERCENTILES = (1.0, 99.0)
"""Of the calibration galaxies' widths and medians: beyond these limits T no longer changes."""

PRIOR_SD = 0.2
"""Of each slope of ln T.

By cross-validation within calibration rows: without it 50 galaxies give PDFs that are worse than
with one temperature for all, with it they never do on average, and 1,250 lose nothing.
"""

_LARGEST = float(np.log(5.0))
"""Of each coefficient of ln T, up or down."""

_N_SLOPES = 4

_CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Temperature:
    """p -> p ** (1 / temperature), renormalised (Guo et al. 2017); above 1 widens.

    One for all PDFs: pools of earlier versions have it.
    """

    temperature: float

    def apply(self, density: NDArray[Any], grid: RedshiftGrid) -> Array:
        """Recalibrated densities, (N, K)."""
        return _tempered(density, np.full(len(density), self.temperature), grid)


@dataclass(frozen=True)
class LocalTemperature:
    """p -> p ** (1 / T), renormalised, where T follows the width and the median of p.

    ln T = ln temperature + s1 x + s2 P2(x) + s3 y + s4 P2(y), with P2(x) = (3 x^2 - 1) / 2. x is
    the logarithm of half the width of the central 68 %, y the median. Both are scaled so that the
    calibration galaxies lie from -1 to 1, and kept there: far from them T stays what it is at
    their limits.

    Attributes
    ----------
    temperature : geometric mean of T over the calibrated range of x and y.
    slopes : s1 to s4. Of zeros this is `Temperature`.
    low, high : values of (ln half width, median) that become -1 and 1.
    """

    temperature: float
    slopes: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what `fit_temperature` does not make."""
        numbers = np.array([self.temperature, *self.slopes, *self.low, *self.high], np.float64)
        of_right_size = (len(self.slopes), len(self.low), len(self.high)) == (_N_SLOPES, 2, 2)
        if not (of_right_size and np.isfinite(numbers).all() and self.temperature > 0):
            raise ValueError(
                "expected a temperature above 0, 4 slopes, 2 limits low and 2 high, all finite; "
                f"received {self}"
            )

    def temperatures(self, density: NDArray[Any], grid: RedshiftGrid) -> Array:
        """Temperature of each PDF, (N,)."""
        terms = _terms(_width_and_median(density, grid), self.low, self.high)
        return np.asarray(self.temperature * np.exp(terms[:, 1:] @ np.array(self.slopes)))

    def apply(self, density: NDArray[Any], grid: RedshiftGrid) -> Array:
        """Recalibrated densities, (N, K)."""
        return _tempered(density, self.temperatures(density, grid), grid)


def evenly_spread(rows: NDArray[np.int64], *, most: int) -> NDArray[np.int64]:
    """Pick at most `most` of the rows (n,), at even distances in their order; all where n fits."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def fit_temperature(
    density: NDArray[Any], z_spec: NDArray[Any], *, grid: RedshiftGrid
) -> LocalTemperature:
    """Find the temperatures with the highest mean log density at the true redshifts.

    The slopes have a normal prior about 0: few galaxies get nearly one temperature for all.

    Parameters
    ----------
    density : (N, K) of calibration rows, per unit redshift.
    z_spec : (N,) their redshifts.
    """
    from scipy.optimize import minimize  # not needed by what estimates

    chunks = [slice(i, i + _CHUNK_ROWS) for i in range(0, len(density), _CHUNK_ROWS)]
    features = np.concatenate([_width_and_median(density[rows], grid) for rows in chunks])
    low, high = np.percentile(features, CALIBRATED_PERCENTILES, axis=0).tolist()
    terms, true_bin = _terms(features, low, high), grid.bin_index(z_spec)
    precision = np.array([0.0] + [PRIOR_SD**-2] * _N_SLOPES)

    def loss(coefficients: Array) -> tuple[float, Array]:
        total = float(precision @ coefficients**2) / 2
        slope = precision * coefficients
        for rows in chunks:
            value, of_log_temperature = _negative_log(
                density[rows], true_bin[rows], terms[rows] @ coefficients
            )
            total, slope = total + value, slope + of_log_temperature @ terms[rows]
        return total / len(density), slope / len(density)

    start, bounds = np.zeros(1 + _N_SLOPES), [(-_LARGEST, _LARGEST)] * (1 + _N_SLOPES)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return LocalTemperature(
        float(np.exp(best[0])), tuple(best[1:].tolist()), tuple(low), tuple(high)
    )


def _negative_log(
    density: NDArray[Any], true_bin: NDArray[np.int64], log_temperature: Array
) -> tuple[float, Array]:
    """Sum of -ln p(z_spec), up to a constant, and its slopes (n,) by each ln T.

    With l = ln p and u = 1 / T it is ln sum exp(u l) - u l(z_spec); its slope by u is the mean of l
    over the tempered PDF less l(z_spec).
    """
    from scipy.special import logsumexp

    logarithm = np.log(np.maximum(np.asarray(density, np.float64), _FLOOR))
    at_truth = logarithm[np.arange(len(logarithm)), true_bin]
    inverse = np.exp(-log_temperature)
    scaled = logarithm * inverse[:, None]
    total = logsumexp(scaled, axis=1)
    mean = (np.exp(scaled - total[:, None]) * logarithm).sum(axis=1)
    return float((total - inverse * at_truth).sum()), inverse * (at_truth - mean)


def _tempered(density: NDArray[Any], temperature: Array, grid: RedshiftGrid) -> Array:
    logarithm = np.log(np.maximum(np.asarray(density, np.float64), _FLOOR)) / temperature[:, None]
    return normalise(np.exp(logarithm - logarithm.max(axis=1, keepdims=True)), grid)


def _width_and_median(density: NDArray[Any], grid: RedshiftGrid) -> Array:
    """(N, 2): logarithm of half the width of the central 68 %, and the median."""
    low, middle, high = quantiles(density, grid, [0.16, 0.5, 0.84]).T
    return np.stack([np.log((high - low) / 2), middle], axis=1)


def _terms(features: Array, low: Sequence[float], high: Sequence[float]) -> Array:
    """(N, 5) terms of ln T: 1, x, P2(x), y, P2(y)."""
    bottom, top = np.array(low), np.array(high)
    span = np.where(top > bottom, top - bottom, 1.0)
    x, y = (2 * (np.clip(features, bottom, top) - bottom) / span - 1).T
    return np.stack([np.ones(len(x)), x, (3 * x**2 - 1) / 2, y, (3 * y**2 - 1) / 2], axis=1)
