"""Any file with galaxy images, or a folder of such files, opened as one raw survey."""

import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.dataset.store import SCHEMA_VERSION
from pix2z.errors import InputError
from pix2z.files import files_of
from pix2z.hdf5.opening import integer_attribute, open_hdf5, reading
from pix2z.hdf5.storage import find_dataset, has_key
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.ingest.layouts.columns import assemble
from pix2z.ingest.layouts.hdf5_columns import block_reader, image_dataset, read_columns, source_of
from pix2z.ingest.layouts.merged import open_merged
from pix2z.ingest.layouts.nersc import SIDE as NERSC_SIDE
from pix2z.ingest.layouts.raw import RawFile, RawSurvey
from pix2z.ingest.layouts.registry import open_raw
from pix2z.ingest.layouts.units import require_nanomaggies

__all__ = ["GALAXIES", "detect_layout", "open_source"]

GALAXIES = "galaxies"
"""Name of the layout that ingest writes."""

GALAXIES_KEYS = {
    "redshift": "specz_redshift",
    "redshift_error": "specz_redshift_err",
    **{role: role for role in ("object_id", "group_id", "ra", "dec", "ebv", "seeing", "moved")},
}

SIDES = {STAMP_SIDE: "sdss32", NERSC_SIDE: "nersc"}


def open_source(
    path: str | Path,
    *,
    layout: str | None = None,
    mapping: Hdf5Mapping | None = None,
    ebv_key: str | None = None,
) -> AbstractContextManager[RawSurvey]:
    """Open a file, or a folder whose files are merged, as a survey of nanomaggies; read-only.

    Parameters
    ----------
    layout : seed, nersc, pasquet, hdf5, or galaxies (what ingest writes); None: that of
        `detect_layout`.
    mapping : where layout hdf5 keeps things, its defaults if None; other layouts take no notice.
    ebv_key : key or label column of E(B-V), whatever the layout.

    Raises
    ------
    InputError
        Where what is there cannot be read in this layout, in one line.
    """
    files = files_of(path)
    known = layout if layout is not None else detect_layout(files[0])

    def open_one(file: Path) -> AbstractContextManager[RawSurvey]:
        if known == GALAXIES:
            return _open_galaxies(file, ebv_key=ebv_key)
        return open_raw(file, layout=known, mapping=mapping, ebv_key=ebv_key)

    if not Path(path).is_dir():
        return open_one(files[0])
    return open_merged(path, files, open_one)


def detect_layout(path: str | Path) -> str:
    """Layout of a file, or of the first one in a folder: by what it holds, not by its name.

    A zip is ``pasquet``; HDF5 with a `schema_version` is ``galaxies``; with `images` of shape
    (N, 5, 32, 32) ``seed``, (N, 5, 107, 107) ``nersc``; any other ``hdf5``.
    """
    file = files_of(path)[0]
    with reading(file):
        zipped = file.is_file() and zipfile.is_zipfile(file)
    if zipped or file.suffix.lower() == ".npz":
        return "pasquet"
    with open_hdf5(file) as opened:
        with reading(file, "attribute 'schema_version'"):
            versioned = "schema_version" in opened.attrs
        if not has_key(opened, file, "images"):
            return "hdf5"
        shape = find_dataset(opened, file, "images").shape
    if versioned:
        return GALAXIES
    standard = len(shape or ()) == 4 and shape[1] == len(BANDS) and shape[2] == shape[3]
    return SIDES.get(shape[2], "hdf5") if standard else "hdf5"


@contextmanager
def _open_galaxies(path: Path, *, ebv_key: str | None) -> Iterator[RawSurvey]:
    """Open what ingest wrote as a survey of its own."""
    with open_hdf5(path) as file:
        _check_version(file, path)
        images = image_dataset(file, path, "images")
        if images.shape[1:] != (STAMP_SIDE, STAMP_SIDE, len(BANDS)):
            raise InputError(
                f"{path}: images: expected shape (N, {STAMP_SIDE}, {STAMP_SIDE}, {len(BANDS)}); "
                f"received {images.shape}"
            )
        n = len(images)
        keys = GALAXIES_KEYS | ({"ebv": ebv_key} if ebv_key else {})
        columns = read_columns(file, path, keys, n=n)
        every = slice(None)
        yield RawSurvey(
            path=path,
            layout=GALAXIES,
            files=(RawFile(path, n),),
            source=source_of(file, path),
            table=assemble(columns, n=n, path=path, no_redshift="none"),
            converted={
                "axes": "bands last, as they are",
                "bands": " ".join(BANDS),
                "unit": require_nanomaggies(file, images, path),
                "pixel scale": f"{PIXEL_SCALE} arcsec",
                "crop": "none",
            },
            read_images=block_reader(images, path, window=(every,) * 3, convert=_as_float32),
        )


def _check_version(file: h5py.File, path: Path) -> None:
    version = integer_attribute(file, "schema_version", path)
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: expected schema_version {SCHEMA_VERSION}, as ingest writes; received "
            f"{version}"
        )


def _as_float32(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    return pixels.astype(np.float32)
