"""Wavelengths at equal steps of their logarithm: on such a grid a redshift is a shift."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FLUX_UNIT", "WavelengthGrid", "binned", "wavelength_grid"]

TOLERANCE = 0.1
"""How far a wavelength may lie from its place on a grid, in pixels."""

FLUX_UNIT = "1e-17 erg / (s cm2 Angstrom)"
"""Flux density per wavelength of every spectrum that has a unit."""


@dataclass(frozen=True)
class WavelengthGrid:
    """`n` wavelengths from `low` to `high`, Angstrom in vacuum, evenly spaced in their logarithm.

    A redshift shifts a spectrum on such a grid by ln(1 + z) / `step` pixels, whatever the line.
    """

    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        """Refuse an empty or reversed grid."""
        if not (np.isfinite(self.low) and np.isfinite(self.high) and 0 < self.low < self.high):
            raise ValueError(f"expected 0 < low < high; got {self.low}, {self.high}")
        if self.n < 2:
            raise ValueError(f"n must be at least 2; got {self.n}")

    @property
    def step(self) -> float:
        """Difference of neighbouring wavelengths in ln."""
        return float(np.log(self.high / self.low) / (self.n - 1))

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """(n,) wavelengths, Angstrom, rising."""
        return np.geomspace(self.low, self.high, self.n)

    @cached_property
    def ln_values(self) -> NDArray[np.float64]:
        """(n,) natural logarithms of the wavelengths in Angstrom."""
        return np.asarray(np.log(self.low) + self.step * np.arange(self.n, dtype=np.float64))


def wavelength_grid(wavelength: ArrayLike) -> WavelengthGrid:
    """Find the grid of log-spaced wavelengths (L,) in Angstrom.

    Raises
    ------
    ValueError
        Fewer than two wavelengths, one that is not finite and positive, or one that is further than
        `TOLERANCE` pixels from where equal steps of the logarithm put it.
    """
    values = np.asarray(wavelength, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"wavelength must be (L,) with L of 2 or more; got shape {values.shape}")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("wavelength must be finite and positive, in Angstrom")
    if not values[-1] > values[0]:
        raise ValueError("wavelength must increase in equal steps of its logarithm")
    # The ends alone fix the step; single precision of log10 moves a pixel by 0.003 of its width.
    grid = WavelengthGrid(float(values[0]), float(values[-1]), len(values))
    worst = float(np.abs(np.log(values) - grid.ln_values).max()) / grid.step
    if worst > TOLERANCE:
        raise ValueError(
            "wavelength must increase in equal steps of its logarithm; "
            f"one is {worst:.2g} pixels from its place"
        )
    return grid


def binned(flux: NDArray[np.floating], n: int) -> NDArray[np.floating]:
    """Means (N, n) over neighbouring wavelengths of spectra (N, L)."""
    parts = np.array_split(np.arange(flux.shape[1]), n)
    starts = [part[0] for part in parts]
    sizes = np.array([len(part) for part in parts], flux.dtype)
    means: NDArray[np.floating] = np.add.reduceat(flux, starts, axis=1) / sizes
    return means
