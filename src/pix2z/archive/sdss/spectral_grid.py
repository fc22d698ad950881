"""The pixels that all spectra of SDSS share: steps of 1e-4 in log10 of the wavelength.

Every spectrum is a stretch of the same grid, so putting them side by side resamples nothing.
"""

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.sdss_spectra import SdssSpectrum
from pix2z.errors import InputError

__all__ = ["LOGLAM", "SPECTRAL_ARRAYS", "Spectral", "on_common_grid"]

PER_DEX = 10_000
FIRST, LAST = 35_500, 40_200
"""3548 to 10471 Angstrom, which holds the spectra of both spectrographs."""

LOGLAM = np.arange(FIRST, LAST + 1) / PER_DEX
"""(L,) log10 of the vacuum wavelength in Angstrom, as observed."""

TOLERANCE = 0.1
"""Pixels; what is stored as float32 is off by up to 0.002."""

SPECTRAL_ARRAYS = ("flux", "ivar", "model")

Spectral = dict[str, NDArray[np.float32]]
"""Each of `SPECTRAL_ARRAYS`, (L,), on the grid."""


def on_common_grid(spectrum: SdssSpectrum) -> Spectral:
    """Flux, ivar and model (L,) on the grid; flux and model NaN and ivar 0 off the spectrum.

    Raises
    ------
    InputError
        The spectrum has other pixels than those of the grid, or none on it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        place = PER_DEX * np.log10(spectrum.wavelength)
    if not np.isfinite(place).all():
        raise InputError(f"{spectrum.path}: expected finite loglam")
    pixel = np.rint(place).astype(np.int64)
    if np.any(np.abs(place - pixel) > TOLERANCE) or np.any(np.diff(pixel) < 1):
        raise InputError(f"{spectrum.path}: expected loglam in steps of 0.0001, upwards")
    inside = (pixel >= FIRST) & (pixel <= LAST)
    if not inside.any():
        raise InputError(f"{spectrum.path}: no pixel between {LOGLAM[0]:g} and {LOGLAM[-1]:g} dex")
    columns = {"flux": spectrum.flux, "ivar": spectrum.ivar, "model": spectrum.model}
    arrays = {}
    for name in SPECTRAL_ARRAYS:
        off = np.float32(0.0) if name == "ivar" else np.float32(np.nan)
        arrays[name] = np.full(len(LOGLAM), off, np.float32)
        arrays[name][pixel[inside] - FIRST] = columns[name][inside]
    return arrays
