"""Any file with galaxy images, or a folder of such files, opened as one raw survey."""

import zipfile
from contextlib import AbstractContextManager
from pathlib import Path

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.files import files_of
from pix2z.hdf5 import find_dataset, has_key, open_hdf5, reading
from pix2z.imaging import BANDS
from pix2z.ingest.attributes import schema_version
from pix2z.ingest.layouts import GALAXIES, NERSC, SDSS32
from pix2z.ingest.mapped import open_mapped
from pix2z.ingest.pasquet import open_pasquet
from pix2z.ingest.raw import RawSurvey, open_merged

__all__ = ["LAYOUTS", "detect_layout", "open_source"]

KNOWN = {"galaxies": GALAXIES, "nersc": NERSC, "sdss32": SDSS32}
"""Layouts that are one mapping each."""

LAYOUTS = ("galaxies", "hdf5", "nersc", "pasquet", "sdss32")
"""All layouts: also a user's own mapping, and npz."""


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
    layout : one of `LAYOUTS`, of which galaxies is what ingest writes; None: that of
        `detect_layout`.
    mapping : where layout hdf5 keeps things and what its pixels are; entries that were set hold for
        every layout.
    ebv_key : key or label column of E(B-V), whatever the layout.

    Raises
    ------
    InputError
        Where what is there cannot be read in this layout, in one line.
    """
    files = files_of(path)
    given = (mapping.given if mapping else {}) | ({"ebv": ebv_key} if ebv_key else {})
    name = layout if layout is not None else detect_layout(files[0], images=given.get("images"))
    if name not in LAYOUTS:
        raise InputError(f"layout: expected one of {', '.join(LAYOUTS)}; received {name!r}")

    def open_one(file: Path) -> AbstractContextManager[RawSurvey]:
        if name == "pasquet":
            return open_pasquet(file, given=given)
        return open_mapped(file, layout=name, mapping=KNOWN.get(name, Hdf5Mapping()), given=given)

    return open_merged(path, files, open_one) if Path(path).is_dir() else open_one(files[0])


def detect_layout(path: str | Path, *, images: str | None = None) -> str:
    """Layout of a file, or of the first one in a folder: by what it holds, not by its name.

    A zip is ``pasquet``; HDF5 of which the user names another key of the `images` is ``hdf5``; else
    HDF5 with a `schema_version` is ``galaxies``; with `images` of shape (N, 5, 32, 32) ``sdss32``,
    (N, 5, 107, 107) ``nersc``; any other ``hdf5``.
    """
    file = files_of(path)[0]
    with reading(file):
        zipped = file.is_file() and zipfile.is_zipfile(file)
    if zipped or file.suffix.lower() == ".npz":
        return "pasquet"
    if images not in (None, "images"):
        return "hdf5"
    with open_hdf5(file) as opened:
        versioned = schema_version(opened, file) is not None
        if not has_key(opened, file, "images"):
            return "hdf5"
        shape = find_dataset(opened, file, "images").shape or ()
    if versioned:
        return "galaxies"
    for name, known in (("sdss32", SDSS32), ("nersc", NERSC)):
        if len(shape) == 4 and shape[1:] == (len(BANDS), known.side, known.side):
            return name
    return "hdf5"
