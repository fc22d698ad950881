"""Spectral lines worth marking in the spectrum of a galaxy, and templates of those it emits.

Vacuum wavelengths. Emission lines: ``LINEWAVE`` in HDU 3 of every SDSS spectrum (the lines its
pipeline fits). Absorption features: the line table of SDSS's spectroscopic pipeline (Stoughton et
al. 2002); G, Mg and Na are blends, so their wavelengths are those of the feature.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LINES", "Line", "emission_templates"]

Array = NDArray[np.float64]

LIGHT_SPEED = 299_792.458
"""km/s."""


@dataclass(frozen=True)
class Line:
    """A line: rest wavelength in vacuum, Angstrom; emission, or absorption by stars."""

    name: str
    wavelength: float
    emission: bool


LINES = (
    Line("[O II] 3727", 3727.092, emission=True),
    Line("[O II] 3730", 3729.875, emission=True),
    Line("[Ne III] 3870", 3869.857, emission=True),
    Line("Ca K", 3934.777, emission=False),
    Line("Ca H", 3969.588, emission=False),
    Line("H delta", 4102.892, emission=True),
    Line("G band", 4305.61, emission=False),
    Line("H gamma", 4341.684, emission=True),
    Line("H beta", 4862.683, emission=True),
    Line("[O III] 4960", 4960.295, emission=True),
    Line("[O III] 5008", 5008.240, emission=True),
    Line("Mg 5177", 5176.63, emission=False),
    Line("Na D", 5895.6, emission=False),
    Line("[O I] 6302", 6302.046, emission=True),
    Line("[N II] 6550", 6549.859, emission=True),
    Line("H alpha", 6564.614, emission=True),
    Line("[N II] 6585", 6585.268, emission=True),
    Line("[S II] 6718", 6718.294, emission=True),
    Line("[S II] 6733", 6732.678, emission=True),
    Line("Ca II 8500", 8500.36, emission=False),
    Line("Ca II 8544", 8544.44, emission=False),
    Line("Ca II 8665", 8664.52, emission=False),
)
"""In order of wavelength. Hydrogen is listed as emission; in old galaxies it absorbs."""

GROUPS = (
    {"[O II] 3727": 1.0, "[O II] 3730": 1.0},
    {"H delta": 0.55, "H gamma": 1.0},
    {"H beta": 1.0},
    {"[O III] 4960": 1.0, "[O III] 5008": 2.98},
    {"H alpha": 1.0},
    {"[N II] 6550": 1.0, "[N II] 6585": 3.05},
    {"[S II] 6718": 1.0, "[S II] 6733": 1.0},
)
"""Lines whose ratios hardly vary, and the ratios: [O III] and [N II] by their transition
probabilities (Storey & Zeippen 2000), Balmer lines of case B, doublets of density at low density
taken as equal. H alpha and H beta apart, since dust changes their ratio."""


def emission_templates(wavelength: Array, *, sigma: float) -> Array:
    """Gaussian emission lines on rest-frame wavelengths, one template per group of `GROUPS`.

    Parameters
    ----------
    wavelength : (M,) Angstrom in vacuum.
    sigma : width in km/s, galaxy and spectrograph together.

    Returns
    -------
    (G, M) flux per Angstrom, 1 at the peak of a line of strength 1.
    """
    rest = {line.name: line.wavelength for line in LINES}
    return np.stack(
        [
            sum(
                strength * _gaussian(wavelength, rest[name], sigma)
                for name, strength in group.items()
            )
            for group in GROUPS
        ]
    )


def _gaussian(wavelength: Array, centre: float, sigma: float) -> Array:
    velocity = LIGHT_SPEED * np.log(wavelength / centre)
    result: Array = np.exp(-0.5 * (velocity / sigma) ** 2)
    return result
