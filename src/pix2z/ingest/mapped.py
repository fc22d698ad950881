"""HDF5 files read through a mapping: any keys, axes, bands, unit and pixel scale.

A user's mapping comes from params.yaml or the command line. The layouts that pix2z knows are
mappings too, each a value of this module. Columns are read whole and pixels by range of rows, so
that memory does not grow with the pixels.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping, Key
from pix2z.dataset.store import SCHEMA_VERSION
from pix2z.errors import InputError
from pix2z.hdf5 import (
    find_dataset,
    has_key,
    integer_attribute,
    open_hdf5,
    reading,
    text_attribute,
)
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.ingest.columns import ROLES, Column, assemble, check_column
from pix2z.ingest.raw import RawFile, RawSurvey
from pix2z.ingest.resampling import Cut, plan_cut, resample
from pix2z.ingest.units import Flux, flux_of, require_nanomaggies

__all__ = ["GALAXIES", "NERSC", "SDSS32", "KnownMapping", "open_mapped"]

Axes = Literal["NHWC", "NCHW"]

BLOCK_ROWS = 64
"""Stamps that are converted at a time."""

TOGETHER = (("ra", "dec"), ("group_id", "moved", "seeing"))
"""Roles whose columns are all in a file if one of them is."""


class KnownMapping(Hdf5Mapping):
    """Where a layout keeps things that many files share, whose size and unit are known.

    Stamps are `side` pixels wide, in nanomaggies, which no attribute may contradict. Files with a
    `schema_version` have all columns, others those that they have; `TOGETHER` says which of them
    have company.
    """

    side: int
    schema_version: int | None = None
    moved: Key | None = None
    z_warning: Key | None = None
    spectral_class: Key | None = None


SDSS32 = KnownMapping(
    side=32,
    axes="NCHW",
    redshift="specz_redshift",
    redshift_error="specz_redshift_err",
    object_id="ObjID",
    ra="ra",
    dec="dec",
    ebv="e_bv",
    z_warning="zwarning",
    spectral_class="class",
    group_id="truth/parent",
    moved="truth/moved",
    seeing="truth/psf_fwhm",
)
"""The published experiment's stamps with NERSC's keys, and what semi-real files know besides."""

NERSC = SDSS32.model_copy(update={"side": 107})
"""NERSC's files; 107 is odd and 32 even, so no crop is centred exactly. Pixels 37 to 68 of each
axis are kept: the middle one, 53, becomes pixel 16, half a pixel above the crop's centre, 15.5."""

GALAXIES = KnownMapping(
    side=32,
    schema_version=SCHEMA_VERSION,
    axes="NHWC",
    redshift="specz_redshift",
    redshift_error="specz_redshift_err",
    object_id="object_id",
    group_id="group_id",
    ra="ra",
    dec="dec",
    ebv="ebv",
    seeing="seeing",
    moved="moved",
)
"""What ingest itself writes."""


@contextmanager
def open_mapped(
    path: str | Path, *, layout: str, mapping: Hdf5Mapping, ebv_key: str | None = None
) -> Iterator[RawSurvey]:
    """Open a file that keeps things where `mapping` says, read-only.

    Parameters
    ----------
    layout : name of the mapping.
    ebv_key : key of E(B-V), before that of the mapping.

    Raises
    ------
    InputError
        The file is missing, damaged or no HDF5; a key that must be there is missing; a shape or
        dtype is wrong; axes or unit are not known; or the stamps are too small.
    """
    with open_hdf5(path) as file:
        images = _image_dataset(file, path, mapping)
        axes = _axes_of(images.shape, mapping.axes, mapping.bands, f"{path}: {mapping.images}")
        factor, unit = _flux(file, images, path, mapping)
        height, width = images.shape[1:3] if axes == "NHWC" else images.shape[2:4]
        try:
            cuts = plan_cut(height, mapping.pixel_scale), plan_cut(width, mapping.pixel_scale)
        except ValueError as error:
            raise InputError(f"{path}: {mapping.images}: {error}") from error
        n = len(images)
        keys = _keys(file, path, mapping) | ({"ebv": ebv_key} if ebv_key else {})
        columns = _read_columns(file, path, keys, n=n, bands=mapping.bands)
        missing = f"key {mapping.redshift!r} is missing"
        table = assemble(
            columns,
            n=n,
            path=path,
            no_redshift=f"none: {missing if mapping.redshift else 'ingest.hdf5.redshift is null'}",
            bands=mapping.bands,
        )
        yield RawSurvey(
            path=Path(path),
            layout=layout,
            files=(RawFile(Path(path), n),),
            source=text_attribute(file, "source", path) or Path(path).name,
            table=table,
            converted=_words(mapping, axes, unit, cuts, whole=(height, width)),
            read_images=_block_reader(images, path, mapping, axes, factor, cuts),
            nanomaggies=factor,
        )


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


def _image_dataset(file: h5py.File, path: str | Path, mapping: Hdf5Mapping) -> h5py.Dataset:
    """Dataset of the stamps: numbers in four dimensions, of the size that the layout has."""
    if isinstance(mapping, KnownMapping) and mapping.schema_version is not None:
        version = integer_attribute(file, "schema_version", path)
        if version != mapping.schema_version:
            raise InputError(
                f"{path}: expected schema_version {mapping.schema_version}, as ingest writes; "
                f"received {version}"
            )
    images = find_dataset(file, path, mapping.images)
    where = f"{path}: {mapping.images}"
    if images.ndim != 4 or images.shape[0] == 0:
        raise InputError(
            f"{where}: expected shape (N, bands, side, side) or (N, side, side, bands), N > 0; "
            f"received {images.shape}"
        )
    if isinstance(mapping, KnownMapping):
        side = mapping.side
        stamp = (side, side, len(BANDS)) if mapping.axes == "NHWC" else (len(BANDS), side, side)
        if images.shape[1:] != stamp:
            expected = f"(N, {', '.join(map(str, stamp))})"
            raise InputError(f"{where}: expected shape {expected}; received {images.shape}")
    if images.dtype.kind not in "fiu":
        raise InputError(f"{where}: expected numbers; received dtype {images.dtype}")
    return images


def _flux(file: h5py.File, images: h5py.Dataset, path: str | Path, mapping: Hdf5Mapping) -> Flux:
    if isinstance(mapping, KnownMapping):
        return 1.0, require_nanomaggies(file, images, path)
    return flux_of(file, images, path, unit=mapping.unit, zero_point=mapping.zero_point)


def _keys(file: h5py.File, path: str | Path, mapping: Hdf5Mapping) -> dict[str, str]:
    """Role -> key of the columns to be read: all, or of a known layout those that the file has."""
    keys = {role: key for role in ROLES if (key := getattr(mapping, role, None)) is not None}
    if not isinstance(mapping, KnownMapping) or mapping.schema_version is not None:
        return keys
    there = {role for role, key in keys.items() if has_key(file, path, key)}
    for roles in TOGETHER:
        if there & set(roles):
            there |= set(roles)
    return {role: key for role, key in keys.items() if role in there}


def _read_columns(
    file: h5py.File, path: str | Path, keys: Mapping[str, str], *, n: int, bands: str
) -> dict[str, Column]:
    """Read the columns of `keys` (role -> key), every one of which must be there."""
    columns = {}
    for role, key in keys.items():
        dataset = find_dataset(file, path, key)
        with reading(path, key):
            shape, dtype = dataset.shape, dataset.dtype
        check_column(path, key, role, shape=shape, dtype=dtype, n=n, bands=bands)
        with reading(path, key):
            columns[role] = Column(dataset[...], key)
    return columns


def _block_reader(
    images: h5py.Dataset,
    path: str | Path,
    mapping: Hdf5Mapping,
    axes: Axes,
    factor: float,
    cuts: tuple[Cut, Cut],
) -> Callable[[int, int], NDArray[np.float32]]:
    """``read_images`` of a dataset, of which only the window of the cuts is read."""
    every = slice(None)
    rows, columns = (cut.window for cut in cuts)
    window = (rows, columns, every) if axes == "NHWC" else (every, rows, columns)
    bands = [BANDS.index(band) for band in mapping.bands]

    def convert(stored: NDArray[np.generic]) -> NDArray[np.float32]:
        """Pixels of the window, in the file's axes, bands and unit -> stamps in ours."""
        pixels: NDArray[Any] = np.moveaxis(stored, 1, -1) if axes == "NCHW" else stored
        if mapping.masked_value is not None:
            pixels = np.where(_equal(pixels, mapping.masked_value), np.nan, pixels)
        with np.errstate(over="ignore", invalid="ignore"):
            # Beyond float32 becomes inf, which is a bad row; damaged bytes may be signalling NaNs.
            if factor != 1 or cuts[0].weights is not None:
                pixels = pixels.astype(np.float64) * factor
            if cuts[0].weights is not None and cuts[1].weights is not None:
                pixels = resample(pixels, cuts[0].weights, cuts[1].weights)
            if mapping.bands == BANDS:
                return np.ascontiguousarray(pixels, dtype=np.float32)
            stamps = np.full((*pixels.shape[:3], len(BANDS)), np.nan, np.float32)
            stamps[..., bands] = pixels
            return stamps

    def read_images(start: int, stop: int) -> NDArray[np.float32]:
        blocks = []
        for first in range(start, stop, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, stop)
            with reading(path, f"{mapping.images}: rows {first} to {last}"):
                stored = images[(slice(first, last), *window)]
            blocks.append(convert(stored))
        return np.concatenate(blocks)

    return read_images


def _equal(stored: NDArray[np.generic], value: float) -> NDArray[np.bool_]:
    """Where pixels are a value, which the file holds rounded to its own dtype."""
    if stored.dtype.kind != "f":
        return np.asarray(stored == value)
    with np.errstate(over="ignore"):
        return np.asarray(stored == np.float64(value).astype(stored.dtype))


def _words(
    mapping: Hdf5Mapping, axes: Axes, unit: str, cuts: tuple[Cut, Cut], *, whole: tuple[int, int]
) -> dict[str, str]:
    """Say what was assumed of the pixels or done to them; `whole` is the size of stored stamps."""
    absent = " ".join(band for band in BANDS if band not in mapping.bands)
    scale = f"{mapping.pixel_scale:g} arcsec, as it is"
    crop = ", ".join(
        f"{name} {cut.window.start} to {cut.window.stop - 1}"
        for name, cut in zip(("rows", "columns"), cuts, strict=True)
    )
    if cuts[0].weights is not None:
        scale = f"{mapping.pixel_scale:g} arcsec, resampled to {PIXEL_SCALE} by area of overlap"
        crop = f"the central {STAMP_SIDE} pixels of {PIXEL_SCALE} arcsec"
    elif whole == (STAMP_SIDE, STAMP_SIDE):
        crop = "none"
    return {
        "axes": "bands first, moved last" if axes == "NCHW" else "bands last, as they are",
        "bands": f"read as {' '.join(mapping.bands)}" + (f"; absent: {absent}" if absent else ""),
        "unit": unit,
        "pixel scale": scale,
        "crop": crop,
    } | ({} if mapping.masked_value is None else {"masked": f"pixels of {mapping.masked_value:g}"})
