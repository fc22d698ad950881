"""Sources of one frame by sep, the library of SExtractor (Bertin & Arnouts 1996; Barbary 2016)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray

from pix2z.archive.frames import Frame
from pix2z.errors import InputError

__all__ = ["Detection", "centred", "circle_fluxes", "circle_photometry", "detect"]

MESH = 256
"""Pixels on a side of a cell of sky: 100 arcsec, more than a galaxy of the sample has."""

THRESHOLD, LEAST_PIXELS = 1.5, 5
"""Sigma of the sky, after a filter as broad as the seeing, and connected pixels beyond it."""

FILTER_FWHM = 3.0
"""Pixels: 1.2 arcsec."""

LEVELS, CONTRAST = 32, 0.005
"""Of deblending: levels, and the share of the light that makes a peak a source."""

PIXELS, CHILDREN = 300_000, 1024
"""Pixels above the threshold, and peaks of one source, that sep has room for at first."""

MOST_CHILDREN = 65_536

CENTRE_SIGMA = 1.5
"""Pixels: of the Gaussian window of `centred`, as broad as the seeing."""

LEAST_NOISE, MOST_NOISE = 0.002, 1.0
"""Nanomaggies per pixel of a sky: those of four real fields have 0.015 to 0.25."""

MERGED = 1 | 2
"""sep's flags of a source that had neighbours, or is what deblending made of one."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Detection:
    """N sources of a frame.

    pixels : (rows, columns) nanomaggies above the sky. masked : pixels without data.
    noise : of the sky, nanomaggies per pixel. segments : number of the source, from 1, that a
    pixel belongs to, 0 for sky. x, y : (N,) column and row from 0. n_pixels, peak, flux : (N,)
    above the threshold. blended : (N,) whether there are neighbours that share its light.
    """

    pixels: NDArray[np.float32]
    masked: NDArray[np.bool_]
    noise: float
    segments: NDArray[np.int32]
    x: Array
    y: Array
    n_pixels: NDArray[np.int64]
    peak: Array
    flux: Array
    blended: NDArray[np.bool_]


def detect(frame: Frame) -> Detection:
    """Find the sources of a frame; InputError where its pixels have no noise or no source."""
    masked = ~np.isfinite(frame.pixels)
    pixels, noise = _without_sky(frame, masked)
    found, segments = _extracted(pixels, noise, masked)
    if not len(found):
        raise InputError(f"{frame.path}: no source above {THRESHOLD:g} sigma of the sky")
    return Detection(
        pixels=pixels,
        masked=masked,
        noise=noise,
        segments=segments,
        x=found["x"],
        y=found["y"],
        n_pixels=found["npix"],
        peak=found["peak"],
        flux=found["flux"],
        blended=found["flag"] & MERGED != 0,
    )


def _without_sky(frame: Frame, masked: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    lowest = frame.pixels.min(where=~masked, initial=np.inf)
    if not lowest < frame.pixels.max(where=~masked, initial=-np.inf):  # sep would say a noise of 1
        raise InputError(f"{frame.path}: expected a sky with noise; every pixel is alike or masked")
    pixels = np.where(masked, np.float32(0), frame.pixels)
    sky = sep.Background(pixels, mask=masked, bw=MESH, bh=MESH)
    noise = float(sky.globalrms)
    pixels -= sky.back()
    if not LEAST_NOISE <= noise <= MOST_NOISE:
        raise InputError(
            f"{frame.path}: its sky has a noise of {noise:.3g} per pixel; expected "
            f"{LEAST_NOISE:g} to {MOST_NOISE:g} nanomaggies: is it in another unit?"
        )
    return pixels, noise


def _extracted(
    pixels: NDArray[np.float32], noise: float, masked: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Extract with as much room as it takes; one of too many peaks leaves all sources undivided."""
    room, children, levels = PIXELS, CHILDREN, LEVELS
    while True:
        sep.set_extract_pixstack(room)
        sep.set_sub_object_limit(children)
        try:
            found, segments = sep.extract(
                pixels,
                THRESHOLD,
                err=noise,
                mask=masked,
                minarea=LEAST_PIXELS,
                filter_kernel=_filter(),
                deblend_nthresh=levels,
                deblend_cont=CONTRAST,
                segmentation_map=True,
            )
        except Exception as error:  # sep has no classes of its own
            if "pixel buffer full" in str(error) and room < pixels.size:
                room = min(4 * room, pixels.size)
            elif "deblending overflow" in str(error) and levels > 1:
                children *= 4
                levels = LEVELS if children <= MOST_CHILDREN else 1
            else:
                raise
        else:
            return found, segments


def _filter() -> Array:
    axis = np.arange(-3, 4)
    radius2 = axis[:, None] ** 2 + axis[None, :] ** 2
    return np.asarray(np.exp2(-4 * radius2 / FILTER_FWHM**2))


def centred(detection: Detection, x: Array, y: Array) -> tuple[Array, Array]:
    """Centres of light in a Gaussian window that follows it; the place given where there is none.

    Unlike the mean over a whole blend they stay at the core: SDSS, too, cuts at the core.
    """
    sigma = np.full(len(x), CENTRE_SIGMA)
    column, row, flags = sep.winpos(detection.pixels, x, y, sigma, mask=detection.masked)
    good = (flags == 0) & (np.hypot(column - x, row - y) < 2 * FILTER_FWHM)
    return np.where(good, column, x), np.where(good, row, y)


def circle_fluxes(
    detection: Detection, x: Array, y: Array, radii: Array, numbers: NDArray[np.int32]
) -> Array:
    """Fluxes (n,) in circles of `radii` (n,) pixels, without other sources than `numbers`.

    What is masked, by them too, counts as if it were as bright as the rest of the circle.
    """
    flux, _, _ = sep.sum_circle(
        detection.pixels,
        x,
        y,
        radii,
        mask=detection.masked,
        segmap=detection.segments,
        seg_id=np.ascontiguousarray(numbers, np.int32),
    )
    return np.asarray(flux)


def circle_photometry(frame: Frame, ra: Array, dec: Array, radius: float) -> tuple[Array, Array]:
    """Fluxes (N,) of one band within so many pixels of positions, whosever light it is, and errors.

    Errors are of the sky's noise alone; both are NaN off the frame. InputError as `detect`.
    """
    masked = ~np.isfinite(frame.pixels)
    pixels, noise = _without_sky(frame, masked)
    x, y = (np.asarray(v) for v in frame.wcs.all_world2pix(ra, dec, 0))
    flux, error, flags = sep.sum_circle(pixels, x, y, radius, err=noise, mask=masked)
    off = flags & (sep.APER_ALLMASKED | sep.APER_TRUNC) != 0
    return np.where(off, np.nan, flux), np.where(off, np.nan, error)
