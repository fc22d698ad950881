"""What a galaxy of given luminosity and colour looks like: type, bulge, size, inclination.

Sizes follow Shen et al. (2003, MNRAS 343, 978): half-light radii in kpc (H0 = 70) are log-normal at
given M_r, with medians (their eqs. 14 and 15)

    early: log10 R = -0.4 a M + b
    late:  log10 R = -0.4 alpha M + (beta - alpha) log10(1 + 10^(-0.4 (M - M0))) + gamma

and scatter sigma_ln R = sigma2 + (sigma1 - sigma2) / (1 + 10^(-0.8 (M - M0))) (eq. 16); parameters
of their table 1 for Petrosian half-light radii in r (fig. 4). Types, bulge fractions and
inclinations are simple rules of our own, stated where they are applied.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, ndtri

from pix2z.sky.profiles import disc_radius_of_composite

__all__ = [
    "DISC_THICKNESS",
    "apparent_axis_ratio",
    "bulge_fraction_r",
    "bulge_minus_disc",
    "cos_inclination",
    "draw_early",
    "half_light_radius_kpc",
    "split_radius",
]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_LATE = {"alpha": 0.21, "beta": 0.53, "gamma": -1.31, "m0": -20.52}
_EARLY = {"a": 0.60, "b": -4.63}
_SCATTER = (0.48, 0.25)
"""sigma of ln R well below and well above M0."""

_COLOUR_DIVIDE = 2.22
"""Rest-frame u - r between late and early types (Strateva et al. 2001)."""

DISC_THICKNESS = 0.2
"""Axis ratio of an edge-on disc (Hubble 1926; Unterborn & Ryden 2008 find 0.2 or so)."""


def draw_early(colour: Array, uniform: Array) -> Flags:
    """Early type or not: probability 1/2 at u - r = 2.22, rising over 0.15 mag."""
    result: Flags = uniform < expit((colour - _COLOUR_DIVIDE) / 0.15)
    return result


def half_light_radius_kpc(absolute_r: Array, early: Flags, uniform: Array) -> Array:
    """Circular half-light radius in kpc (Shen et al. 2003, eqs. 14 to 16)."""
    brightness = 10 ** (-0.4 * (absolute_r - _LATE["m0"]))
    late_log = (
        -0.4 * _LATE["alpha"] * absolute_r
        + (_LATE["beta"] - _LATE["alpha"]) * np.log10(1 + brightness)
        + _LATE["gamma"]
    )
    early_log = -0.4 * _EARLY["a"] * absolute_r + _EARLY["b"]
    faint, bright = _SCATTER
    sigma = bright + (faint - bright) / (1 + brightness**2)
    result: Array = 10 ** np.where(early, early_log, late_log) * np.exp(sigma * ndtri(uniform))
    return result


def bulge_fraction_r(colour: Array, early: Flags, uniform: Array) -> Array:
    """Bulge fraction in r, at most 0.95: beta distributed, redder galaxies have more.

    Mean 0.65 for early types; for late types from 0.1 (blue) to 0.4 (u - r = 2.5).
    """
    mean = np.where(early, 0.65, 0.10 + 0.35 * expit((colour - 2.1) / 0.25))
    concentration = 6.0
    drawn = betaincinv(mean * concentration, (1 - mean) * concentration, uniform)
    result: Array = np.clip(drawn, 0.001, 0.95)
    return result


def bulge_minus_disc(early: Flags, uniform: Array) -> Array:
    """Rest-frame g - i of the bulge minus that of the disc, magnitudes, (N,).

    Uniform between half and one and a half of 0.10 (early types) or 0.35 (late types).
    """
    result: Array = np.where(early, 0.10, 0.35) * (0.5 + uniform)
    return result


def cos_inclination(colour: Array, early: Flags, uniform: Array) -> Array:
    """Cosine of the inclination, 0 edge-on.

    Random orientations are uniform. A late type redder than others (u - r = 2.0) is more often
    seen through its dust: density 1 + s (1 - 2 c), s = (u - r - 2.0) / 0.5 within +-0.8.
    """
    s = np.where(early, 0.0, np.clip((colour - 2.0) / 0.5, -0.8, 0.8))
    # Inverse of the distribution function c (1 + s) - s c^2, in the form that holds at s = 0.
    result: Array = 2 * uniform / (1 + s + np.sqrt((1 + s) ** 2 - 4 * s * uniform))
    return result


def apparent_axis_ratio(cos_i: Array) -> Array:
    """b/a of an oblate disc: sqrt(q0^2 + (1 - q0^2) cos^2 i) (Hubble 1926)."""
    result: Array = np.sqrt(DISC_THICKNESS**2 + (1 - DISC_THICKNESS**2) * cos_i**2)
    return result


def split_radius(
    radius: Array, fraction: Array, early: Flags, uniform: Array
) -> tuple[Array, Array]:
    """Disc and bulge half-light radii of a galaxy of circular half-light radius `radius`.

    The bulge has 0.35 (late) or 0.75 (early) of the disc's radius, with a scatter of 0.2 in ln.
    """
    ratio = np.where(early, 0.75, 0.35) * np.exp(0.2 * ndtri(uniform))
    disc = radius * disc_radius_of_composite(fraction, ratio)
    return disc, ratio * disc
