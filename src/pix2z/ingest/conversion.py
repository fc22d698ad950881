"""How stamps of any axes, bands, unit, size and pixel scale become ours, and that in words."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.ingest.resampling import Cut, plan_cut, resample
from pix2z.ingest.units import Flux

__all__ = ["Conversion", "converted", "in_words", "plan_conversion"]

Axes = Literal["NHWC", "NCHW"]


@dataclass(frozen=True)
class Conversion:
    """How the stored stamps of a file become ours.

    Attributes
    ----------
    mapping : bands, pixel scale and masked value of the file.
    axes : of the file; NHWC has the bands last.
    nanomaggies, unit : the file's unit in nanomaggies, and in words how it is known.
    sides : height and width of stored stamps; `rows`, `columns` : what is made of them.
    """

    mapping: Hdf5Mapping
    axes: Axes
    nanomaggies: float
    unit: str
    sides: tuple[int, int]
    rows: Cut
    columns: Cut

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """The part of a stored stamp that is read."""
        every = slice(None)
        if self.axes == "NHWC":
            return self.rows.window, self.columns.window, every
        return every, self.rows.window, self.columns.window


def plan_conversion(
    shape: tuple[int, ...], mapping: Hdf5Mapping, flux: Flux, where: str
) -> Conversion:
    """Find out how images of a shape (N, ., ., .) become stamps.

    where : file and key, for errors. Raises InputError where the axes are not known, or the stamps
    are too small or of a pixel scale that cannot be resampled.
    """
    axes = _axes_of(shape, mapping.axes, mapping.bands, where)
    sides = (shape[1], shape[2]) if axes == "NHWC" else (shape[2], shape[3])
    try:
        rows, columns = (plan_cut(side, mapping.pixel_scale) for side in sides)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    return Conversion(mapping, axes, *flux, sides, rows, columns)


def _axes_of(shape: tuple[int, ...], axes: Axes | None, bands: str, where: str) -> Axes:
    """Axis order of images of this shape, given or read off where the bands are; never guessed.

    Raises
    ------
    InputError
        The shape fits neither order, not the one given, or both and none is given.
    """
    n_bands = len(bands)
    fits: dict[Axes, bool] = {"NHWC": shape[3] == n_bands, "NCHW": shape[1] == n_bands}
    possible = [one for one, fit in fits.items() if fit and axes in (None, one)]
    if not possible:
        expected = {"NHWC": f"(N, H, W, {n_bands})", "NCHW": f"(N, {n_bands}, H, W)"}
        wanted = expected[axes] if axes else " or ".join(expected.values())
        raise InputError(
            f"{where}: expected shape {wanted} for the bands {bands!r}; received {shape}"
        )
    if len(possible) > 1:
        raise InputError(
            f"{where}: shape {shape} may have its bands first or last: give ingest.hdf5.axes: "
            "NHWC or NCHW"
        )
    return possible[0]


def converted(stored: NDArray[np.generic], conversion: Conversion) -> NDArray[np.float32]:
    """Turn pixels of the window, in the file's axes, bands and unit, into stamps (n, 32, 32, 5)."""
    mapping = conversion.mapping
    pixels: NDArray[Any] = stored if conversion.axes == "NHWC" else np.moveaxis(stored, 1, -1)
    if mapping.masked_value is not None:
        pixels = np.where(_equal(pixels, mapping.masked_value), np.nan, pixels)
    weights = conversion.rows.weights, conversion.columns.weights
    with np.errstate(over="ignore", invalid="ignore"):
        # Beyond float32 becomes inf, which is a bad row; damaged bytes may be signalling NaNs.
        if conversion.nanomaggies != 1 or weights[0] is not None:
            pixels = pixels.astype(np.float64) * conversion.nanomaggies
        if weights[0] is not None and weights[1] is not None:
            pixels = resample(pixels, weights[0], weights[1])
        if mapping.bands == BANDS:
            return np.ascontiguousarray(pixels, dtype=np.float32)
        stamps = np.full((*pixels.shape[:3], len(BANDS)), np.nan, np.float32)
        stamps[..., [BANDS.index(band) for band in mapping.bands]] = pixels
        return stamps


def _equal(stored: NDArray[np.generic], value: float) -> NDArray[np.bool_]:
    """Where pixels are a value, which the file holds rounded to its own dtype."""
    if stored.dtype.kind != "f":
        return np.asarray(stored == value)
    with np.errstate(over="ignore"):
        return np.asarray(stored == np.float64(value).astype(stored.dtype))


def in_words(conversion: Conversion) -> dict[str, str]:
    """Say what was assumed of the pixels or done to them."""
    mapping = conversion.mapping
    absent = " ".join(band for band in BANDS if band not in mapping.bands)
    first = conversion.axes == "NCHW"
    words = {
        "axes": "bands first, moved last" if first else "bands last, as they are",
        "bands": f"read as {' '.join(mapping.bands)}" + (f"; absent: {absent}" if absent else ""),
        "unit": conversion.unit,
        "pixel scale": f"{mapping.pixel_scale:g} arcsec, as it is",
        "crop": "none",
    }
    if conversion.rows.weights is not None:
        words["pixel scale"] = (
            f"{mapping.pixel_scale:g} arcsec, resampled to {PIXEL_SCALE} by area of overlap"
        )
        words["crop"] = f"the central {STAMP_SIDE} pixels of {PIXEL_SCALE} arcsec"
    elif conversion.sides != (STAMP_SIDE, STAMP_SIDE):
        rows, columns = conversion.rows.window, conversion.columns.window
        words["crop"] = (
            f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}"
        )
    if mapping.masked_value is not None:
        words["masked"] = f"pixels of {mapping.masked_value:g}"
    return words
