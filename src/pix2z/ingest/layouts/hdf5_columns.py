"""What every HDF5 layout does: columns read whole, pixels by range of rows.

So memory does not grow with the pixels.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.hdf5.opening import reading, text_attribute
from pix2z.hdf5.storage import find_dataset
from pix2z.imaging import BANDS
from pix2z.ingest.layouts.columns import Column, check_column

__all__ = ["block_reader", "image_dataset", "read_columns", "source_of"]

BLOCK_ROWS = 64
"""Stamps that are converted at a time."""


def image_dataset(file: h5py.File, path: str | Path, key: str) -> h5py.Dataset:
    """Dataset of the stamps; raise InputError where it is no 4-d array of numbers."""
    images = find_dataset(file, path, key)
    if images.ndim != 4 or images.shape[0] == 0:
        raise InputError(
            f"{path}: {key}: expected shape (N, bands, side, side) or (N, side, side, bands), "
            f"N > 0; received {images.shape}"
        )
    if images.dtype.kind not in "fiu":
        raise InputError(f"{path}: {key}: expected numbers; received dtype {images.dtype}")
    return images


def read_columns(
    file: h5py.File, path: str | Path, keys: Mapping[str, str], *, n: int, bands: str = BANDS
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


def source_of(file: h5py.File, path: str | Path) -> str:
    """Return what the file says it is (attribute `source`), else its name."""
    return text_attribute(file, "source", path) or Path(path).name


def block_reader(
    images: h5py.Dataset,
    path: str | Path,
    *,
    window: tuple[slice, slice, slice],
    convert: Callable[[NDArray[np.generic]], NDArray[np.float32]],
) -> Callable[[int, int], NDArray[np.float32]]:
    """``read_images`` of a dataset.

    Parameters
    ----------
    window : what is read along the last three axes of the dataset; the rest never is.
    convert : pixels (n, ...) of the window -> (n, 32, 32, 5) float32 nanomaggies.
    """
    key = str(images.name).strip("/")

    def read_images(start: int, stop: int) -> NDArray[np.float32]:
        blocks = []
        for first in range(start, stop, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, stop)
            with reading(path, f"{key}: rows {first} to {last}"):
                pixels = images[(slice(first, last), *window)]
            blocks.append(convert(pixels))
        return np.concatenate(blocks)

    return read_images
