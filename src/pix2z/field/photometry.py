"""Petrosian fluxes and half-light radii of sources, as SDSS defines them.

The Petrosian radius is where the mean surface brightness between 0.8 and 1.25 radii is a fifth of
that inside; the flux is that within two of it, and the half-light radius holds half of that flux
(Strauss et al. 2002, AJ 124, 1810). SDSS's main sample, on which models are trained, is selected
by it.
"""

import numpy as np
from numpy.typing import NDArray

from pix2z.field.detection import Detection, circle_fluxes

__all__ = ["RADII", "growth", "petrosian"]

STEP = 1.25**0.5
RADII: NDArray[np.float64] = 0.5 * STEP ** np.arange(52.0)
"""Pixels, from 0.2 to 59 arcsec; two steps on is 1.25 times as far, two back 0.8."""

RATIO, APERTURE = 0.2, 2.0

LEAST = 1.0
"""Pixels: within them noise of the centre is all."""

REACH = 5.0
"""Times the radius of a source above the threshold: as far as its light is followed, 9 arcsec at
the least."""

LEAST_REACH = 24.0

Array = NDArray[np.float64]


def growth(
    detection: Detection,
    x: Array,
    y: Array,
    numbers: NDArray[np.int32],
    n_pixels: NDArray[np.int64],
) -> Array:
    """Fluxes (N, K) within `RADII`, NaN beyond the reach of a source of so many pixels."""
    reach = np.maximum(REACH * np.sqrt(n_pixels / np.pi), LEAST_REACH)
    row, column = np.nonzero(reach[:, None] >= RADII)
    flux = np.full((len(x), len(RADII)), np.nan)
    flux[row, column] = circle_fluxes(detection, x[row], y[row], RADII[column], numbers[row])
    return flux


def petrosian(flux: Array) -> tuple[Array, Array, Array]:
    """Petrosian flux, radius and half-light radius (N,), pixels, of fluxes (N, K) within `RADII`.

    All are NaN where the ratio does not fall to 0.2 within reach.
    """
    area = np.pi * RADII**2
    ratio = np.full(flux.shape, np.nan)
    ring = (flux[:, 4:] - flux[:, :-4]) / (area[4:] - area[:-4])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio[:, 2:-2] = ring / (flux[:, 2:-2] / area[2:-2])
    found = np.array([_of_one(*pair) for pair in zip(flux, ratio, strict=True)])
    total, radius, half = found.reshape(-1, 3).T
    return total, radius, half


def _of_one(flux: Array, ratio: Array) -> tuple[float, float, float]:
    below = np.flatnonzero((ratio < RATIO) & (RADII > LEAST))
    none = (np.nan,) * 3
    if not len(below):
        return none
    k = int(below[0])
    above = ratio[k - 1]
    part = (above - RATIO) / (above - ratio[k]) if above > RATIO else 0.0
    radius = RADII[k - 1] * STEP**part
    known = np.isfinite(flux)
    total = float(np.interp(APERTURE * radius, RADII[known], flux[known]))
    if not total > 0:
        return none
    rising = np.maximum.accumulate(np.append(0.0, flux[known]))
    half = float(np.interp(total / 2, rising, np.append(0.0, RADII[known])))
    return total, radius, half
