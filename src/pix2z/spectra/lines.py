"""Spectral lines worth marking in the spectrum of a galaxy, and templates of those it emits.

Vacuum wavelengths. Emission lines: ``LINEWAVE`` in HDU 3 of every SDSS spectrum (the lines its
pipeline fits). Absorption features: the line table of SDSS's spectroscopic pipeline (Stoughton et
al. 2002); G, Mg and Na are blends, so their wavelengths are those of the feature.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["LINES", "emission_templates"]

Array = NDArray[np.float64]

LIGHT_SPEED = 299_792.458
"""km/s."""


LINES: Mapping[str, float] = {
    "[O II] 3727": 3727.092,
    "[O II] 3730": 3729.875,
    "[Ne III] 3870": 3869.857,
    "Ca K": 3934.777,
    "Ca H": 3969.588,
    "H delta": 4102.892,
    "G band": 4305.61,
    "H gamma": 4341.684,
    "H beta": 4862.683,
    "[O III] 4960": 4960.295,
    "[O III] 5008": 5008.240,
    "Mg 5177": 5176.63,
    "Na D": 5895.6,
    "[O I] 6302": 6302.046,
    "[N II] 6550": 6549.859,
    "H alpha": 6564.614,
    "[N II] 6585": 6585.268,
    "[S II] 6718": 6718.294,
    "[S II] 6733": 6732.678,
    "Ca II 8500": 8500.36,
    "Ca II 8544": 8544.44,
    "Ca II 8665": 8664.52,
}
"""Rest wavelengths in Angstrom, rising. Stars absorb in Ca, G, Mg and Na, gas emits the others;
hydrogen absorbs in old galaxies."""

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
    return np.stack(
        [
            sum(
                strength * _gaussian(wavelength, LINES[name], sigma)
                for name, strength in group.items()
            )
            for group in GROUPS
        ]
    )


def _gaussian(wavelength: Array, centre: float, sigma: float) -> Array:
    velocity = LIGHT_SPEED * np.log(wavelength / centre)
    result: Array = np.exp(-0.5 * (velocity / sigma) ** 2)
    return result
