"""Light profiles with closed Fourier transforms: exponential disc, Spergel bulge, two-Gaussian PSF.

The Spergel (2010) profile with nu = -0.6 is close to a de Vaucouleurs bulge (nu = -0.6 matches
Sersic n = 4 there, fig. 3), and unlike it has a transform in closed form.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma, kv

__all__ = [
    "DISC_SCALE",
    "SPERGEL_INDEX",
    "SPERGEL_SCALE",
    "WING_SHARE",
    "disc_radius_of_composite",
    "enclosed_exponential",
    "enclosed_spergel",
    "psf_components",
]

Array = NDArray[np.float64]

SPERGEL_INDEX = -0.6

DISC_SCALE = 1 / 1.6783469900166605
"""Scale length of an exponential disc over its half-light radius: 1 - (1 + x) exp(-x) = 1/2."""

SPERGEL_SCALE = 1.8257706179762572
"""Scale radius of the Spergel profile over its half-light radius: half the light is inside 1."""


def enclosed_exponential(radius: Array) -> Array:
    """Share of the light inside `radius`, in half-light radii."""
    x = radius / DISC_SCALE
    result: Array = 1 - (1 + x) * np.exp(-x)
    return result


def enclosed_spergel(radius: Array) -> Array:
    """Share of the light inside `radius`, in half-light radii.

    Spergel (2010) eq. 8: 1 - 2 (1 + nu) f_{nu+1}(u), f_a(u) = (u/2)^a K_a(u) / Gamma(a + 1).
    """
    a, u = SPERGEL_INDEX + 1, np.maximum(radius, 1e-9) / SPERGEL_SCALE
    result: Array = 1 - 2 * a * (u / 2) ** a * kv(a, u) / gamma(a + 1)
    return result


def _bisect(low: Array, high: Array, enclosed: Callable[[Array], Array]) -> Array:
    """Where an increasing function crosses one half, elementwise; 40 halvings."""
    for _ in range(40):
        middle = (low + high) / 2
        above = enclosed(middle) > 0.5
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def disc_radius_of_composite(bulge_fraction: Array, radius_ratio: Array) -> Array:
    """Disc half-light radius of a bulge + disc whose own half-light radius is 1, both circular.

    Parameters
    ----------
    bulge_fraction : (N,) share of the light in the bulge.
    radius_ratio : (N,) bulge over disc half-light radius.
    """

    def enclosed(inverse_disc_radius: Array) -> Array:
        bulge = enclosed_spergel(inverse_disc_radius / radius_ratio)
        return bulge_fraction * bulge + (1 - bulge_fraction) * enclosed_exponential(
            inverse_disc_radius
        )

    ones = np.ones_like(bulge_fraction)
    return 1 / _bisect(0.02 * ones, 20 * ones, enclosed)


WING_SHARE = 0.3
"""Median share of the PSF's light in its wings: 0.23 to 0.38, median 0.29, in twenty real frames
(four fields, five bands: `tests/real/sky_of_frames.py`)."""

WING_WIDTH = 2.0
"""Sigma of the wings over that of the core."""


def psf_components(wing_share: Array) -> tuple[Array, Array]:
    """Shares of the light, and sigma over FWHM, of the PSF's two Gaussians: core and wings.

    wing_share : (...); both results are (..., 2). The peak of the wings is p times that of the
    core, and half the peak is where t^4 + p t = (1 + p) / 2 with t = exp(-(r / sigma)^2 / 8).
    """
    peak = wing_share / (1 - wing_share) / WING_WIDTH**2
    t = np.full_like(peak, 0.84)
    for _ in range(6):
        t = t - (t**4 + peak * t - (1 + peak) / 2) / (4 * t**3 + peak)
    core = 0.5 / np.sqrt(-8 * np.log(t))
    return np.stack([1 - wing_share, wing_share], -1), np.stack([core, WING_WIDTH * core], -1)
