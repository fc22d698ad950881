"""Any file with galaxy images, or a folder of such files, opened as one raw survey."""

import logging
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from pix2z.config.ingest import OLD_LAYOUTS, Hdf5Mapping
from pix2z.errors import InputError
from pix2z.files import KINDS, files_of, is_fits
from pix2z.hdf5 import find_dataset, has_key, integer_attribute, open_hdf5, reading
from pix2z.imaging import BANDS
from pix2z.ingest.arrays import npy_beside, open_arrays, open_pasquet
from pix2z.ingest.layouts import GALAXIES, NERSC, PASQUET, SDSS32
from pix2z.ingest.mapped import open_mapped
from pix2z.ingest.npz import is_npy, members_of
from pix2z.ingest.raw import RawSurvey, open_merged

__all__ = [
    "LAYOUTS",
    "detect_layout",
    "files_apart",
    "is_hdf5_layout",
    "open_source",
]

LOG = logging.getLogger(__name__)

KNOWN = {"galaxies": GALAXIES, "nersc": NERSC, "sdss32": SDSS32}
"""Layouts that are one mapping each."""

LAYOUTS = tuple(sorted((*KNOWN, "fits", "hdf5", "npy", "npz", "pasquet")))

MOST_NAMES = 5
"""Names that are told of files that are left out."""


def open_source(
    path: str | Path,
    *,
    layout: str | None = None,
    mapping: Hdf5Mapping | None = None,
    ebv_key: str | None = None,
    rows: tuple[int, int] | None = None,
) -> AbstractContextManager[RawSurvey]:
    """Open a file, or a folder whose files are merged, as a survey of nanomaggies; read-only.

    Parameters
    ----------
    layout : one of `LAYOUTS`, of which galaxies is what ingest writes; None: that of
        `detect_layout`.
    mapping : where fits, hdf5, npy and npz keep things, and what their pixels are; entries that
        were set hold for every layout.
    ebv_key : key or label column of E(B-V), whatever the layout.
    rows : of one HDF5 file, the first row and the one after the last: columns are read, and
        `read_images` counts, from there on. (0, 0) reads no column, and counts from the file's
        first row. None: all rows.

    Raises
    ------
    InputError
        Where what is there cannot be read in this layout, in one line.
    """
    files = files_of(path)
    given = (mapping.given if mapping else {}) | ({"ebv": ebv_key} if ebv_key else {})
    name = layout if layout is not None else detect_layout(files[0], images=given.get("images"))
    if name in OLD_LAYOUTS:
        raise InputError(f"layout {name!r} is now called {OLD_LAYOUTS[name]!r}")
    if name not in LAYOUTS:
        raise InputError(f"layout: expected one of {', '.join(LAYOUTS)}; received {name!r}")
    used = Hdf5Mapping().model_copy(update=given)

    def open_one(paths: Sequence[Path]) -> AbstractContextManager[RawSurvey]:
        if name == "fits":
            from pix2z.ingest.fits_images import open_fits

            return open_fits(paths, mapping=used)
        if name == "pasquet":
            return open_pasquet(paths[0], given=given)
        if name in ("npy", "npz"):
            return open_arrays(paths[0], layout=name, mapping=used)
        known = KNOWN.get(name, used)
        return open_mapped(paths[0], layout=name, mapping=known, given=given, rows=rows)

    if rows is not None and (Path(path).is_dir() or not is_hdf5_layout(name)):
        raise ValueError(f"rows: expected one HDF5 file; received {path}, of layout {name}")
    if not Path(path).is_dir():
        return open_one(files)
    if name == "npy" and (images := npy_beside(files[0], used.images)) in files:
        return _one_of(files, open_one([images]))
    return open_merged(path, _members(files, are_fits=name == "fits"), open_one)


def _members(files: Sequence[Path], *, are_fits: bool) -> Sequence[Sequence[Path]]:
    """Files of a folder that belong together: of FITS, those of the bands of one galaxy."""
    if not are_fits:
        return [(file,) for file in files]
    from pix2z.ingest.fits_images import galaxies_by_band  # astropy takes half of a second

    return galaxies_by_band(files)


def files_apart(path: str | Path) -> tuple[Path, ...]:
    """Return the file, or the files of a folder, of which each can be opened without the others.

    Raises
    ------
    InputError
        Some belong together: bands of the same galaxies, or columns and their images.
    """
    files = files_of(path)
    name = files[0].name.lower()
    members = _members(files, are_fits=name.endswith(KINDS["FITS"]))
    for first, *others in [files] if name.endswith(KINDS["npy"]) else members:
        if others:
            raise InputError(
                f"{path}: expected files with galaxies of their own; received {first.name} and "
                f"{others[0].name}, which belong together"
            )
    return files


@contextmanager
def _one_of(
    files: Sequence[Path], opening: AbstractContextManager[RawSurvey]
) -> Iterator[RawSurvey]:
    """Open one file of a folder and those that it names; the others are named as left out."""
    with opening as survey:
        used = [path for file in survey.files for path in file.paths]
        names = [file.name for file in files if file not in used]
        more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        if names:
            left_out = ", ".join(names[:MOST_NAMES] + more)
            LOG.warning(
                "%s: left out, as ingest.hdf5 names none of them: %s", survey.path, left_out
            )
            survey = replace(survey, converted={**survey.converted, "left out": left_out})
        yield survey


def is_hdf5_layout(layout: str) -> bool:
    """Whether files of a layout are HDF5, of which some rows are read without the rest."""
    return layout in KNOWN or layout == "hdf5"


def detect_layout(path: str | Path, *, images: str | None = None) -> str:
    """Layout of a file, or of the first one in a folder: by what it holds, not by its name.

    A zip is ``pasquet`` where it has a `cube`, else ``npz``; FITS, packed or not, is ``fits``, a
    .npy ``npy``. HDF5 with a `schema_version` is ``galaxies``; with `images` of shape
    (N, 5, 32, 32) ``sdss32``, (N, 5, 107, 107) ``nersc``; any other ``hdf5``, also where the user
    names another key of the `images`.
    """
    file = files_of(path)[0]
    with reading(file):
        known = file.is_file()
        if known and (zipfile.is_zipfile(file) or file.suffix.lower() == ".npz"):
            usual = images in (None, PASQUET.images) and PASQUET.images in members_of(file)
            return "pasquet" if usual else "npz"
        if known and is_fits(file):
            return "fits"
        if known and is_npy(file):
            return "npy"
    if images not in (None, "images"):
        return "hdf5"
    with open_hdf5(file) as opened:
        versioned = integer_attribute(opened, "schema_version", file) is not None
        if not has_key(opened, file, "images"):
            return "hdf5"
        shape = find_dataset(opened, file, "images").shape or ()
    if versioned:
        return "galaxies"
    for name in ("sdss32", "nersc"):
        side = KNOWN[name].side
        if shape[1:] == (len(BANDS), side, side):
            return name
    return "hdf5"
