"""How broad a point is in each band of a field, by the field's own stars.

A star's spread is its magnitude within 0.8 arcsec minus that within 2. That of the renderer's PSF
follows from its width alone, so a spread tells a width. Galaxies that are put into a frame get the
width of their place: of the band by all its stars, with the change over the field that stars in r
have.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.frames import Frame
from pix2z.errors import InputError
from pix2z.field.detection import circle_photometry, detect
from pix2z.field.sources import Sources, find_sources
from pix2z.field.stars import INNER, OUTER, Stars, stars_of
from pix2z.imaging import BANDS, PIXEL_SCALE
from pix2z.sky.profiles import PSF_COMPONENTS

__all__ = ["Seeing", "measure_seeing", "width_of_spread"]

BRIGHTEST, FAINTEST = 15.0, 18.5
"""r of the stars that are measured."""

FEWEST, MOST_ERROR = 5, 0.05
"""Stars, the best ones where fewer have an error as small: relative, within 2 arcsec."""

Array = NDArray[np.float64]

WIDTHS: Array = np.linspace(0.5, 4.0, 701)
"""Arcsec, FWHM."""


@dataclass(frozen=True)
class Seeing:
    """PSF and noise of a field.

    fwhm : (5,) median in ugriz, arcsec. noise : (5,) of the sky, nanomaggies per pixel. stars : of
    the r frame. n_stars : (5,) that were measured. sources : all of the field.
    """

    fwhm: Array
    noise: Array
    stars: Stars
    n_stars: NDArray[np.int64]
    sources: Sources

    def at(self, x: Array, y: Array) -> Array:
        """FWHM (N, 5) in arcsec at columns and rows (N,) of the r frame."""
        there = width_of_spread(self.stars.spread_at(x, y))
        everywhere = self.stars.spread_at(self.sources.x, self.sources.y)
        typical = np.median(width_of_spread(everywhere))
        return np.asarray(there[:, None] / typical * self.fwhm)


def measure_seeing(frames: Mapping[str, Frame]) -> Seeing:
    """Measure a field; InputError where it has too few stars to tell."""
    sources, stars = find_sources(frames), stars_of(detect(frames["r"]))
    bright = (sources.magnitude > BRIGHTEST) & (sources.magnitude < FAINTEST)
    some = np.flatnonzero(bright & ~sources.is_galaxy & (sources.flags == 0))
    if stars.locus is None or len(some) < FEWEST:
        raise InputError(f"{frames['r'].path}: too few stars to measure the seeing by")
    place = sources.ra[some], sources.dec[some]
    measured = [_of_band(frames[band], *place) for band in BANDS]
    fwhm, noise, n_stars = (np.array(values) for values in zip(*measured, strict=True))
    return Seeing(fwhm, noise, stars, n_stars, sources)


def _of_band(frame: Frame, ra: Array, dec: Array) -> tuple[float, float, int]:
    (inner, _), (outer, error) = (circle_photometry(frame, ra, dec, r) for r in (INNER, OUTER))
    positive = (inner > 0) & (outer > 0)
    relative = np.where(positive, error / np.where(positive, outer, 1.0), np.inf)
    n_good = max(int((relative < MOST_ERROR).sum()), FEWEST)
    best = np.argsort(relative)[:n_good]
    best = best[np.isfinite(relative[best])]
    if len(best) < FEWEST:
        raise InputError(f"{frame.path}: too few stars to measure the seeing by")
    spread = float(np.median(2.5 * np.log10(outer[best] / inner[best])))
    noise = float(np.nanmedian(error)) / (np.sqrt(np.pi) * OUTER)
    return float(width_of_spread(np.array(spread))), noise, len(best)


def width_of_spread(spread: Array) -> Array:
    """FWHM in arcsec of the renderer's PSF that has a spread in magnitudes, pixels included."""
    inner, outer = (_enclosed(radius * PIXEL_SCALE) for radius in (INNER, OUTER))
    return np.asarray(np.interp(spread, 2.5 * np.log10(outer / inner), WIDTHS))


def _enclosed(radius: float) -> Array:
    """Share of a star's light within `radius`, arcsec, for each of `WIDTHS`."""
    pixel = PIXEL_SCALE**2 / 12  # variance of a uniform pixel, per axis
    parts = [
        share * (1 - np.exp(-(radius**2) / (2 * ((width * WIDTHS) ** 2 + pixel))))
        for share, width in PSF_COMPONENTS
    ]
    return np.asarray(sum(parts))
