"""A user's own HDF5 file, read through a mapping: any keys, axes, bands, unit and pixel scale."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.hdf5.opening import open_hdf5
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.ingest.layouts.columns import assemble
from pix2z.ingest.layouts.hdf5_columns import block_reader, image_dataset, read_columns, source_of
from pix2z.ingest.layouts.raw import RawFile, RawSurvey
from pix2z.ingest.layouts.resampling import Cut, plan_cut, resample
from pix2z.ingest.layouts.units import flux_of

__all__ = ["axes_of", "open_user"]

Axes = Literal["NHWC", "NCHW"]

COLUMN_FIELDS = {
    "redshift": "redshift",
    "redshift_error": "redshift_error",
    "object_id": "object_id",
    "group_id": "group_id",
    "ra": "ra",
    "dec": "dec",
    "ebv": "ebv",
    "seeing": "seeing",
}


@contextmanager
def open_user(
    path: str | Path, *, mapping: Hdf5Mapping, ebv_key: str | None = None
) -> Iterator[RawSurvey]:
    """Open a file that keeps things where `mapping` says, read-only.

    Parameters
    ----------
    ebv_key : key of E(B-V), before that of the mapping.

    Raises
    ------
    InputError
        The file is missing, damaged or no HDF5; a key of the mapping is missing; a shape or dtype
        is wrong; axes or unit are not known; or the stamps are too small.
    """
    with open_hdf5(path) as file:
        images = image_dataset(file, path, mapping.images)
        axes = axes_of(images.shape, mapping.axes, mapping.bands, f"{path}: {mapping.images}")
        factor, unit = flux_of(file, images, path, unit=mapping.unit, zero_point=mapping.zero_point)
        height, width = images.shape[1:3] if axes == "NHWC" else images.shape[2:4]
        try:
            rows, columns = (plan_cut(side, mapping.pixel_scale) for side in (height, width))
        except ValueError as error:
            raise InputError(f"{path}: {mapping.images}: {error}") from error
        n = len(images)
        every = slice(None)
        window = (rows.window, columns.window, every)
        if axes == "NCHW":
            window = (every, rows.window, columns.window)
        found = read_columns(file, path, _keys(mapping, ebv_key), n=n, bands=mapping.bands)
        yield RawSurvey(
            path=Path(path),
            layout="hdf5",
            files=(RawFile(Path(path), n),),
            source=source_of(file, path),
            table=assemble(
                found,
                n=n,
                path=path,
                no_redshift="none: ingest.hdf5.redshift is null",
                bands=mapping.bands,
            ),
            converted=_words(mapping, axes, unit, rows, columns),
            read_images=block_reader(
                images,
                path,
                window=window,
                convert=_converter(
                    axes, mapping.bands, factor, rows, columns, masked_value=mapping.masked_value
                ),
            ),
            nanomaggies=factor,
        )


def axes_of(shape: tuple[int, ...], axes: Axes | None, bands: str, where: str) -> Axes:
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


def _keys(mapping: Hdf5Mapping, ebv_key: str | None) -> Mapping[str, str]:
    keys = {role: getattr(mapping, field) for role, field in COLUMN_FIELDS.items()}
    if ebv_key:
        keys["ebv"] = ebv_key
    return {role: key for role, key in keys.items() if key is not None}


def _converter(
    axes: Axes,
    bands: str,
    factor: float,
    rows: Cut,
    columns: Cut,
    *,
    masked_value: float | None,
) -> Callable[[NDArray[np.generic]], NDArray[np.float32]]:
    """Pixels of the window, in the file's axes, bands and unit -> stamps in ours."""
    place = [BANDS.index(band) for band in bands]

    def convert(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
        stored = np.moveaxis(pixels, 1, -1) if axes == "NCHW" else pixels
        with np.errstate(invalid="ignore"):  # damaged bytes may be signalling NaNs
            images: NDArray[np.floating] = stored.astype(np.float64)
        if masked_value is not None:
            images[_equal(stored, masked_value)] = np.nan
        if rows.weights is not None and columns.weights is not None:
            images = resample(images, rows.weights, columns.weights)
        stamps = np.full((len(images), STAMP_SIDE, STAMP_SIDE, len(BANDS)), np.nan, np.float32)
        with np.errstate(over="ignore"):  # beyond float32 becomes inf, which is a bad row
            stamps[..., place] = images * factor
        return stamps

    return convert


def _equal(stored: NDArray[np.generic], value: float) -> NDArray[np.bool_]:
    """Where pixels are a value, which the file holds rounded to its own dtype."""
    if stored.dtype.kind != "f":
        return np.asarray(stored == value)
    with np.errstate(over="ignore"):
        return np.asarray(stored == np.float64(value).astype(stored.dtype))


def _words(mapping: Hdf5Mapping, axes: Axes, unit: str, rows: Cut, columns: Cut) -> dict[str, str]:
    absent = [band for band in BANDS if band not in mapping.bands]
    if rows.weights is None:
        scale = f"{mapping.pixel_scale:g} arcsec, as it is"
        crop = ", ".join(
            f"{name} {cut.window.start} to {cut.window.stop - 1}"
            for name, cut in (("rows", rows), ("columns", columns))
        )
    else:
        scale = f"{mapping.pixel_scale:g} arcsec, resampled to {PIXEL_SCALE} by area of overlap"
        crop = f"the central {STAMP_SIDE} pixels of {PIXEL_SCALE} arcsec"
    return {
        "axes": "bands first, moved last" if axes == "NCHW" else "bands last, as they are",
        "bands": f"read as {' '.join(mapping.bands)}"
        + (f"; absent: {' '.join(absent)}" if absent else ""),
        "unit": unit,
        "pixel scale": scale,
        "crop": crop,
    } | ({} if mapping.masked_value is None else {"masked": f"pixels of {mapping.masked_value:g}"})
