"""Wavelengths at equal steps of their logarithm: on such a grid a redshift is a shift.

All are in vacuum. What a file says of the air that its own were measured in is read here alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.errors import InputError

__all__ = [
    "FLUX_UNIT",
    "MEDIA",
    "WavelengthGrid",
    "binned",
    "in_vacuum",
    "said_to_be_in",
    "wavelength_grid",
]

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
    equal_steps = np.log(values[0]) + grid.step * np.arange(grid.n)
    worst = float(np.abs(np.log(values) - equal_steps).max()) / grid.step
    if worst > TOLERANCE:
        raise ValueError(
            "wavelength must increase in equal steps of its logarithm; "
            f"one is {worst:.2g} pixels from its place"
        )
    return grid


MEDIA = {"air": "air", "awav": "air", "vac": "vacuum", "vacuum": "vacuum"}
"""Words for where wavelengths are measured; AWAV begins CTYPE of air wavelengths in FITS."""

TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "1"), True),
    **dict.fromkeys(("false", "f", "no", "0"), False),
}

OF_WAVELENGTHS = re.compile("wave|lam|ctyp|medium|airorvac")
"""What is in the name of an attribute that speaks of wavelengths."""

LEAST_IN_AIR = 2000.0
"""Angstrom; shorter wavelengths are in vacuum by custom, since air absorbs them."""


def said_to_be_in(said: Mapping[str, str], where: str) -> str | None:
    """Find out whether wavelengths are in "air" or "vacuum"; None where a file says neither.

    Understood are words (``unit: Angstrom (air)``, ``AIRORVAC: vac``, ``CTYPE1: AWAV-LOG``) in
    attributes of wavelengths, and truth values (``VACUUM: F``, ``in_air: 1``), in any spelling. Of
    "air to vacuum" the last counts.

    Parameters
    ----------
    said : name -> text of attributes or FITS cards.
    where : file and key, for the message.

    Raises
    ------
    InputError
        Both are said.
    """
    found: dict[str, str] = {}
    for name, text in said.items():
        in_name, in_text = _media(name), _media(text)
        truth = TRUTH.get(text.strip().lower())
        if truth is None:
            media = in_text if in_name or OF_WAVELENGTHS.search(name.lower()) else set()
        else:
            media = in_name if truth or not in_name else {"air", "vacuum"} - in_name
        found |= dict.fromkeys(media, name)
    if len(found) == 2:
        raise InputError(
            f"{where}: expected wavelengths in air or in vacuum; received both, as attribute "
            f"{found['air']!r} says air and {found['vacuum']!r} vacuum"
        )
    return next(iter(found), None)


def _media(text: str) -> set[str]:
    words = re.sub("[^a-z0-9]+", " ", text.lower())
    return {MEDIA[word] for word in re.findall(rf"\b({'|'.join(MEDIA)})\b(?! to\b)", words)}


def in_vacuum(wavelength: ArrayLike, said: Mapping[str, str], where: str) -> NDArray[np.float64]:
    """Convert wavelengths (L,) in Angstrom to vacuum, where a file says that its own are in air.

    The refractive index of dry air at 15 C is Ciddor's (1996, https://doi.org/10.1364/AO.35.001566),
    which SDSS uses too. `said`, `where`: see `said_to_be_in`.
    """
    values = np.asarray(wavelength, np.float64)
    if said_to_be_in(said, where) != "air":
        return values
    vacuum = values
    for _ in range(3):  # the index is a function of the wavelength in vacuum
        squared = (1e4 / np.maximum(vacuum, LEAST_IN_AIR)) ** 2
        index = 1 + 0.05792105 / (238.0185 - squared) + 0.00167917 / (57.362 - squared)
        vacuum = np.where(values >= LEAST_IN_AIR, values * index, values)
    return vacuum


def binned(flux: NDArray[np.floating], n: int) -> NDArray[np.floating]:
    """Means (N, n) over neighbouring wavelengths of spectra (N, L)."""
    parts = np.array_split(np.arange(flux.shape[1]), n)
    starts = [part[0] for part in parts]
    sizes = np.array([len(part) for part in parts], flux.dtype)
    return np.add.reduceat(flux, starts, axis=1) / sizes
