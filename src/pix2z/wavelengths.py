"""The wavelengths that every spectrum of an experiment is given at."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLUX_UNIT", "WavelengthGrid", "binned"]

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


def binned(flux: NDArray[np.floating], n: int) -> NDArray[np.floating]:
    """Means (N, n) over neighbouring wavelengths of spectra (N, L)."""
    parts = np.array_split(np.arange(flux.shape[1]), n)
    starts = [part[0] for part in parts]
    sizes = np.array([len(part) for part in parts], flux.dtype)
    means: NDArray[np.floating] = np.add.reduceat(flux, starts, axis=1) / sizes
    return means
