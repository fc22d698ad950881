"""Stamps of another size or pixel scale -> 32 x 32 pixels of 0.396 arcsec."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.imaging import PIXEL_SCALE, STAMP_SIDE
from pix2z.said.agreement import SAME_SCALE

__all__ = ["Cut", "overlap_weights", "plan_cut", "resample"]

STAMP_ARCSEC = STAMP_SIDE * PIXEL_SCALE
"""What a stamp covers along a side: 12.672 arcsec."""

SCALES = (0.1, 0.8)
"""Pixel scales, arcsec, that can be resampled: beyond, a stamp would be guessed or huge."""

ROUNDING = 1e-9


@dataclass(frozen=True)
class Cut:
    """How a stamp is cut along one axis.

    Attributes
    ----------
    window : pixels that are read.
    weights : (32, w) share of the flux of each of them in each pixel of the stamp; None where the
        window is the stamp.
    """

    window: slice
    weights: NDArray[np.float64] | None


def plan_cut(side: int, pixel_scale: float) -> Cut:
    """How to make 32 pixels of 0.396 arcsec from `side` pixels of `pixel_scale` arcsec.

    A scale within 1 % of 0.396 arcsec is cropped, no pixel is touched; others are resampled about
    the geometric centre.

    Raises
    ------
    ValueError
        The scale is beyond `SCALES`, or the pixels do not cover the stamp.
    """
    low, high = SCALES
    if not low <= pixel_scale <= high:
        raise ValueError(
            f"expected a pixel scale from {low} to {high} arcsec; received {pixel_scale:g}"
        )
    same = abs(pixel_scale / PIXEL_SCALE - 1) <= SAME_SCALE
    covers = side >= STAMP_SIDE if same else side * pixel_scale >= STAMP_ARCSEC - ROUNDING
    if not covers:
        raise ValueError(
            f"expected stamps of at least {STAMP_SIDE} x {PIXEL_SCALE} = {STAMP_ARCSEC:g} arcsec; "
            f"received {side} x {pixel_scale:g} = {side * pixel_scale:g} arcsec"
        )
    if same:
        first = side // 2 - STAMP_SIDE // 2  # an odd side's middle pixel becomes pixel 16
        return Cut(slice(first, first + STAMP_SIDE), None)
    weights = overlap_weights(side, pixel_scale)
    used = np.flatnonzero(weights.any(axis=0))
    window = slice(int(used[0]), int(used[-1]) + 1)
    return Cut(window, weights[:, window])


def overlap_weights(side: int, pixel_scale: float) -> NDArray[np.float64]:
    """(32, side) share of each pixel of the file that lies in each pixel of the stamp.

    Both are centred on the same point. Columns of pixels wholly inside the stamp sum to 1.
    """
    edges_in = (np.arange(side + 1) - side / 2) * pixel_scale
    edges_out = (np.arange(STAMP_SIDE + 1) - STAMP_SIDE / 2) * PIXEL_SCALE
    low = np.maximum(edges_out[:-1, None], edges_in[None, :-1])
    high = np.minimum(edges_out[1:, None], edges_in[None, 1:])
    share = np.maximum(high - low, 0.0) / pixel_scale
    return np.where(share > ROUNDING, share, 0.0)


def resample(
    images: NDArray[np.floating], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Flux of (N, h, w, C) pixels in the pixels of a stamp, by the area of their overlap.

    ``stamp = rows @ image @ columns.T``: the flux of a pixel is spread evenly over its area, none
    is lost or made. A pixel of the stamp that touches a NaN is NaN; one that touches an infinite
    pixel is infinite.

    Parameters
    ----------
    rows, columns : (32, h) and (32, w), from `overlap_weights`.
    """
    finite = np.isfinite(images)
    stamps = _product(np.where(finite, images, 0.0), rows, columns)
    if not finite.all():
        touches = (rows > 0).astype(np.float64), (columns > 0).astype(np.float64)
        for value in (np.inf, np.nan):  # a pixel that touches both is NaN
            bad = np.isinf(images) if np.isinf(value) else np.isnan(images)
            stamps[_product(bad.astype(np.float64), *touches) > 0.5] = value
    return stamps


def _product(
    images: NDArray[np.floating], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    channels_first = np.moveaxis(images.astype(np.float64, copy=False), -1, 1)
    return np.moveaxis(rows @ channels_first @ columns.T, 1, -1)
