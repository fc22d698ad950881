"""Wavelengths at equal steps of their logarithm: on such a grid a redshift is a shift."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogGrid", "log_grid"]

TOLERANCE = 0.1
"""How far a wavelength may lie from its place on the grid, in pixels."""


@dataclass(frozen=True)
class LogGrid:
    """Wavelengths exp(start + step * i) Angstrom, i = 0 ... n - 1.

    A galaxy at redshift z has its rest-frame spectrum shifted by ln(1 + z) / step pixels.
    """

    start: float
    step: float
    n: int

    @property
    def ln_wavelength(self) -> NDArray[np.float64]:
        """Natural logarithm of the wavelengths in Angstrom, (n,)."""
        return self.start + self.step * np.arange(self.n, dtype=np.float64)


def log_grid(wavelength: NDArray[np.floating]) -> LogGrid:
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
    logarithm = np.log(values)
    # The ends alone fix the step; single precision of log10 moves a pixel by 0.003 of its width.
    step = float((logarithm[-1] - logarithm[0]) / (len(values) - 1))
    grid = LogGrid(start=float(logarithm[0]), step=step, n=len(values))
    worst = float(np.abs(logarithm - grid.ln_wavelength).max())
    if step <= 0 or worst > TOLERANCE * step:
        raise ValueError(
            "wavelength must increase in equal steps of its logarithm; "
            f"one is {worst / abs(step) if step else np.inf:.2g} pixels from its place"
        )
    return grid
