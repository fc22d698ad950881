"""Stars told from galaxies by the stars of the field itself.

A source's spread is its magnitude within 0.8 arcsec minus that within 2: the seeing's for a star of
any brightness, more for what is resolved. Bright stars, of which SDSS fields have dozens, agree in
it within some 0.01 mag and a slow change over the frame, while galaxies scatter over half a
magnitude. So the first crowd of bright sources, coming from the sharpest, is that of the stars; its
change over the frame is fitted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.field.detection import Detection, centred, circle_fluxes
from pix2z.imaging import PIXEL_SCALE

__all__ = ["Stars", "excess_spread", "is_saturated", "stars_of"]

INNER, OUTER = 0.8 / PIXEL_SCALE, 2.0 / PIXEL_SCALE
"""Pixels."""

FAINTEST, BRIGHTEST = 25.0, 1000.0
"""Nanomaggies of sources that the locus is sought among: r from 15 to 19."""

SATURATED_PEAK = 25.0
"""Nanomaggies per pixel, 17.0 mag per square arcsec. Of four real fields every resolved source
above it is a saturated star (29 or more), and the brightest core of a galaxy has 18."""

HALO = 2.0
"""Times the radius of a saturated star above the threshold."""

FEWEST, SHARE = 5, 8
"""Sources that make a crowd: so many, and one in so many of those that it is sought among."""

WINDOW, WORST = 0.2, 1.1
"""Magnitudes that a crowd is wide, and the spread of a star in the worst seeing, of 2 arcsec."""

LEAST_CLIP, STEPS = 0.02, 5
"""Magnitudes, and how often the fit is made anew without what lies beyond 3 sigma."""

RESOLVED, SIGNIFICANCE = 0.12, 3.0
"""A galaxy's excess in magnitudes, and in units of its error, beyond which it is one: both count,
in quadrature. In a field with SDSS's own catalogue, galaxies with r < 20 have 0.20 or more, and
stars, but for one, 0.10 or less."""

Array = NDArray[np.float64]
MAG = 2.5 / np.log(10)


@dataclass(frozen=True)
class Stars:
    """What the stars of a field say: the spread of a star at each place, and where halos are.

    locus : coefficients of `_terms`, None where too few stars are alike. shape : of the frame.
    halo_x, halo_y, halo_radius : (M,) of saturated stars, pixels.
    """

    locus: Array | None
    shape: tuple[int, int]
    halo_x: Array
    halo_y: Array
    halo_radius: Array

    def spread_at(self, x: Array, y: Array) -> Array:
        """Spread (N,) of a star there; NaN where nobody knows."""
        if self.locus is None:
            return np.full(len(x), np.nan)
        return np.asarray(_terms(x, y, self.shape)[:, : len(self.locus)] @ self.locus)

    def in_halo(self, x: Array, y: Array) -> NDArray[np.bool_]:
        """Whether places (N,) lie in the light of a saturated star."""
        far = np.hypot(x[:, None] - self.halo_x, y[:, None] - self.halo_y)
        return np.asarray((far < self.halo_radius).any(axis=1))


def stars_of(found: Detection) -> Stars:
    """Learn from the bright sources of a frame what its stars are like."""
    peaked = found.peak > SATURATED_PEAK
    bright = (found.flux > FAINTEST) & (found.flux < BRIGHTEST)
    some = np.flatnonzero(bright | peaked)
    x, y = centred(found, found.x[some], found.y[some])
    spreads, _ = spread(found, x, y, (some + 1).astype(np.int32))
    shape = (found.pixels.shape[0], found.pixels.shape[1])
    sought = ~peaked[some] & np.isfinite(spreads)
    locus = _locus(spreads[sought], _terms(x[sought], y[sought], shape))
    stars = Stars(locus, shape, *np.empty((3, 0)))
    saturated = is_saturated(spreads - stars.spread_at(x, y), found.peak[some])
    radius = HALO * np.sqrt(found.n_pixels[some] / np.pi)
    return Stars(locus, shape, x[saturated], y[saturated], radius[saturated])


def is_saturated(excess: Array, peak: Array) -> NDArray[np.bool_]:
    """Whether a source is brighter at its peak (nanomaggies) than galaxies are, and broad."""
    return np.asarray((peak > SATURATED_PEAK) & ~(excess < RESOLVED))


def spread(found: Detection, x: Array, y: Array, numbers: NDArray[np.int32]) -> tuple[Array, Array]:
    """Spread (N,) in magnitudes, NaN where there is no flux, and its error by the sky's noise."""
    inner, outer = (
        circle_fluxes(found, x, y, np.full(len(x), radius), numbers) for radius in (INNER, OUTER)
    )
    inner, outer = (np.where(flux > 0, flux, np.nan) for flux in (inner, outer))
    sky = found.noise * np.sqrt(np.pi)
    # The outer circle holds the inner one, whose noise they share.
    ring = sky * np.sqrt(OUTER**2 - INNER**2) / outer
    core = sky * INNER * (1 / inner - 1 / outer)
    return 2.5 * np.log10(outer / inner), MAG * np.hypot(ring, core)


def excess_spread(
    found: Detection, stars: Stars, x: Array, y: Array, numbers: NDArray[np.int32]
) -> tuple[Array, NDArray[np.bool_]]:
    """Magnitudes (N,) by which sources are broader than a star there, and which are resolved.

    Without stars to compare with, and where nothing could be measured, it is NaN and resolved.
    """
    spreads, errors = spread(found, x, y, numbers)
    excess = spreads - stars.spread_at(x, y)
    return excess, ~(excess <= np.hypot(RESOLVED, SIGNIFICANCE * errors))


def _locus(spreads: Array, terms: Array) -> Array | None:
    """Fit the first crowd among spreads (N,), and what is near it, with `_terms` (N, 6)."""
    ordered = np.sort(spreads)
    n = max(FEWEST, len(spreads) // SHARE)
    ends = ordered[n - 1 :]
    crowded = (ends - ordered[: len(ends)] < WINDOW) & (ends < WORST)
    if not crowded.any():
        return None
    first = ordered[int(np.argmax(crowded))]
    crowd = (spreads >= first) & (spreads < first + WINDOW)
    locus, clip = np.array([np.median(spreads[crowd])]), WINDOW / 2
    for _ in range(STEPS):
        residual = np.abs(spreads - terms[:, : len(locus)] @ locus)
        near = residual < clip
        n_terms = 6 if near.sum() >= 30 else 3 if near.sum() >= 12 else 1
        locus = np.linalg.lstsq(terms[near, :n_terms], spreads[near], rcond=None)[0]
        clip = max(LEAST_CLIP, 3 * 1.4826 * float(np.median(residual[near])))
    return locus if near.sum() >= FEWEST else None


def _terms(x: Array, y: Array, shape: tuple[int, int]) -> Array:
    u, v = x / shape[1] - 0.5, y / shape[0] - 0.5
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
