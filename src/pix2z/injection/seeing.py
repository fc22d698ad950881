"""How broad a point is in each band of a field, by the field's own stars.

A star's spread is its magnitude within 0.8 arcsec minus that within 2. That of the renderer's PSF
with the wings that real frames have in the median follows from its width alone, so a spread tells a
width. Galaxies that are put into a frame get the width of their place: of the band by all its
stars, with the change over the field that stars in r have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.frames import Frame
from pix2z.errors import InputError
from pix2z.field.detection import circle_photometry, detect
from pix2z.field.sources import Sources, find_sources
from pix2z.field.stars import INNER, OUTER, Stars, stars_of
from pix2z.imaging import BANDS, PIXEL_SCALE
from pix2z.sky.profiles import WING_SHARE, psf_components
from pix2z.sky.rendering import Sources as Rendered

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
    the r frame. sources : all of the field.
    """

    fwhm: Array
    noise: Array
    stars: Stars
    sources: Sources

    def seen(self, sources: Rendered, x: Array, y: Array) -> Rendered:
        """Give sources (N,) the PSF at columns and rows (N,) of the r frame."""
        fwhm = self.at(x, y)
        return replace(sources, psf_fwhm=fwhm, psf_wings=np.full_like(fwhm, WING_SHARE))

    def at(self, x: Array, y: Array) -> Array:
        """FWHM (N, 5) in arcsec at columns and rows (N,) of the r frame."""
        everywhere = self.stars.spread_at(self.sources.x, self.sources.y)
        there, typical = (
            width_of_spread(spread)
            for spread in (self.stars.spread_at(x, y), np.median(everywhere))
        )
        return np.asarray(there[:, None] / typical * self.fwhm)


def measure_seeing(frames: Mapping[str, Frame]) -> Seeing:
    """Measure a field; InputError where it has too few stars to tell, or they are no points."""
    sources, stars = find_sources(frames), stars_of(detect(frames["r"]))
    bright = (sources.magnitude > BRIGHTEST) & (sources.magnitude < FAINTEST)
    some = np.flatnonzero(bright & ~sources.is_galaxy & (sources.flags == 0))
    if stars.locus is None or len(some) < FEWEST:
        raise InputError(f"{frames['r'].path}: too few stars to measure the seeing by")
    place = sources.ra[some], sources.dec[some]
    measured = [_of_band(frames[band], *place) for band in BANDS]
    fwhm, noise = (np.array(values) for values in zip(*measured, strict=True))
    return Seeing(fwhm, noise, stars, sources)


def _of_band(frame: Frame, ra: Array, dec: Array) -> tuple[float, float]:
    """FWHM, and noise per pixel."""
    (inner, _), (outer, error) = (circle_photometry(frame, ra, dec, r) for r in (INNER, OUTER))
    positive = (inner > 0) & (outer > 0)
    relative = np.where(positive, error / np.where(positive, outer, 1.0), np.inf)
    n_good = max(int((relative < MOST_ERROR).sum()), FEWEST)
    best = np.argsort(relative)[:n_good]
    best = best[np.isfinite(relative[best])]
    if len(best) < FEWEST:
        raise InputError(f"{frame.path}: too few stars to measure the seeing by")
    width = float(width_of_spread(np.median(2.5 * np.log10(outer[best] / inner[best]))))
    if not WIDTHS[0] < width < WIDTHS[-1]:
        raise InputError(
            f"{frame.path}: expected stars {WIDTHS[0]:g} to {WIDTHS[-1]:g} arcsec wide (FWHM); "
            f"received {len(best)} that are not, or not where its WCS puts those of the r frame"
        )
    noise = float(np.nanmedian(error)) / (np.sqrt(np.pi) * OUTER)
    return width, noise


def width_of_spread(spread: Array | float) -> Array:
    """FWHM in arcsec of the renderer's PSF that has a spread in magnitudes, pixels included.

    The ends of `WIDTHS` stand for what lies beyond them.
    """
    of_width = _magnitudes(INNER) - _magnitudes(OUTER)
    return np.asarray(np.interp(spread, of_width, WIDTHS))


def _magnitudes(pixels: float) -> Array:
    """Magnitude of a star within so many pixels over all its light, for each of `WIDTHS`."""
    radius = pixels * PIXEL_SCALE
    pixel = PIXEL_SCALE**2 / 12  # variance of a uniform pixel, per axis
    shares, widths = psf_components(np.array(WING_SHARE))
    variance = (widths * WIDTHS[:, None]) ** 2 + pixel
    enclosed = (shares * (1 - np.exp(-(radius**2) / (2 * variance)))).sum(axis=1)
    return np.asarray(-2.5 * np.log10(enclosed))
