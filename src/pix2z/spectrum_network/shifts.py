"""The bins of redshift of a spectrum network, as shifts on its wavelengths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.wavelengths import WavelengthGrid

__all__ = ["ShiftGrid", "shifted_length"]


def shifted_length(n_wavelengths: int, n_shifts: int, stride: int) -> int:
    """Pixels of a rest-frame basis: every observed pixel at every shift."""
    return n_wavelengths + stride * (n_shifts - 1)


@dataclass(frozen=True)
class ShiftGrid:
    """Bins of ln(1 + z), each `stride` pixels of the wavelengths wide, from z_min to z_max."""

    wavelengths: WavelengthGrid
    stride: int
    z_min: float
    z_max: float

    @property
    def width(self) -> float:
        """Width of a bin in ln(1 + z)."""
        return self.stride * self.wavelengths.step

    @property
    def n(self) -> int:
        """Bins, K; the last one's centre is at or above z_max."""
        return int(np.ceil((np.log1p(self.z_max) - np.log1p(self.z_min)) / self.width)) + 1

    @property
    def centres(self) -> NDArray[np.float64]:
        """(K,) bin centres in ln(1 + z)."""
        return np.asarray(np.log1p(self.z_min) + self.width * np.arange(self.n))

    @property
    def n_rest(self) -> int:
        """Rest-frame pixels M: every observed wavelength at every shift."""
        return shifted_length(self.wavelengths.n, self.n, self.stride)

    @property
    def rest_wavelengths(self) -> NDArray[np.float64]:
        """(M,) Angstrom."""
        first = np.log(self.wavelengths.low) - self.centres[-1]
        return np.asarray(np.exp(first + self.wavelengths.step * np.arange(self.n_rest)))
