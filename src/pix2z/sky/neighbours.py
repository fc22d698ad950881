"""Stars and galaxies that lie in a stamp by chance, at the rate of published number counts.

Galaxies: Yasuda et al. (2001, AJ 122, 1104, table 2): 3,370 per square degree to r = 21, 1,216 of
them in the last half magnitude; beyond, their last slope goes on.
Stars: equation B1 of Bahcall & Soneira (1980, ApJS 44, 73) with V - r = 0.3, averaged over the
positions of the parents. Both without Galactic extinction, and without clustering.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr  # scipy.stats takes half a second to import

from pix2z.imaging import PIXEL_SCALE, STAMP_SIDE

__all__ = [
    "CLOSEST",
    "COUNT_SLOPE",
    "GALAXIES",
    "HALF_WIDTH",
    "MOST",
    "STARS",
    "Neighbours",
    "draw_neighbours",
    "number",
]

Array = NDArray[np.float64]

BRIGHTEST = 14.0
"""r of the brightest neighbour: SDSS saturates there, and leaves its surroundings out."""

CLOSEST = 2.0
"""arcsec: nearer pairs are blends. SDSS takes a blend for one galaxy, the brighter of the two."""

MOST = 4
"""Neighbours of a stamp, at most; one stamp in 40,000 would have more."""

COUNT_SLOPE = 0.34
"""Of log10 of the number of galaxies per magnitude, from r = 21 on."""

HALF_WIDTH = (STAMP_SIDE / 2 + 4) * PIXEL_SCALE
"""arcsec from the centre: the stamp and four pixels around it."""

GALAXIES = (
    np.array([14.25, 16.25, 17.25, 18.25, 19.25, 20.25, 20.75, 22.5]),
    np.array([0.13, 1.33, 1.87, 2.35, 2.83, 3.22, 3.386, 3.974]),
)
STARS = (
    np.array([13.5, 14.5, 15.5, 16.5, 17.5, 18.5, 19.5, 20.5, 21.5, 22.5]),
    np.log10([52.0, 101.0, 183.0, 309.0, 481.0, 695.0, 895.0, 995.0, 1151.0, 1300.0]),
)
"""r magnitudes, and log10 of the number per magnitude and square degree there."""

Counts = tuple[Array, Array]


@dataclass(frozen=True)
class Neighbours:
    """M neighbours of a block of stamps.

    stamp, slot : (M,) which stamp, and which of its draws; star : (M,) or a galaxy;
    magnitude : (M,) r without extinction; x, y : (M,) arcsec from the stamp's centre.
    """

    stamp: NDArray[np.int64]
    slot: NDArray[np.int64]
    star: NDArray[np.bool_]
    magnitude: Array
    x: Array
    y: Array


def number(counts: Counts, limit: float) -> tuple[Array, Array]:
    """Magnitudes from `BRIGHTEST` to `limit`, and the number per square degree up to each."""
    magnitude = np.linspace(BRIGHTEST, limit, 400)
    density = 10 ** np.interp(magnitude, *counts)
    step = np.diff(magnitude) * (density[1:] + density[:-1]) / 2
    return magnitude, np.concatenate([[0.0], np.cumsum(step)])


def draw_neighbours(uniforms: Mapping[str, Array], galaxy_r: Array, *, limit: float) -> Neighbours:
    """Draw a Poisson number of neighbours per stamp, uniform over it, down to `limit`.

    galaxy_r : (N,) r of the galaxies as seen; nothing brighter lies within `CLOSEST` of them.
    """
    (magnitude, galaxies), (_, stars) = number(GALAXIES, limit), number(STARS, limit)
    square = (2 * HALF_WIDTH / 3600) ** 2
    mean = square * (galaxies[-1] + stars[-1])
    n = np.searchsorted(pdtr(np.arange(MOST), mean), uniforms["neighbour_number"])
    x, y = ((2 * uniforms[f"neighbour_{axis}"] - 1) * HALF_WIDTH for axis in ("right", "up"))
    star = uniforms["neighbour_kind"] < stars[-1] / (stars[-1] + galaxies[-1])
    faintness = uniforms["neighbour_magnitude"]
    r = np.where(
        star,
        np.interp(faintness * stars[-1], stars, magnitude),
        np.interp(faintness * galaxies[-1], galaxies, magnitude),
    )
    apart = (np.hypot(x, y) >= CLOSEST) | (r > galaxy_r[:, None])
    present = (np.arange(MOST) < n[:, None]) & apart
    stamp, slot = np.nonzero(present)
    return Neighbours(
        stamp=stamp,
        slot=slot,
        star=star[present],
        magnitude=r[present],
        x=x[present],
        y=y[present],
    )
