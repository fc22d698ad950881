"""Rendered galaxies in a user's own frames, as a raw file in layout sdss32.

The galaxies are those that the renderer drew, with the redshifts, positions on the sky and E(B-V)
of their parents; places in the frames are drawn. So a parent is in the part of the sample that it
has in the default run, as its id says.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.field.frames import cut_all
from pix2z.files import atomic_path, file_digest, source_digest, text_digest
from pix2z.hdf5 import find_dataset, open_hdf5, reading, text_attribute
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.injection.frames import STAMP_REACH, Frames, inject_in_rounds
from pix2z.injection.galaxies import DrawnGalaxies, read_drawn
from pix2z.injection.seeing import Seeing, measure_seeing

__all__ = ["write_in_frames"]

logger = logging.getLogger(__name__)

SOURCE = (
    "rendered in real sky: redshifts, ugriz fluxes, positions and E(B-V) of real SDSS galaxies "
    "(kcorrect gst_tests_small), their images rendered and put into real frames of {n} field(s)"
)

MAKING = (
    *(f"injection/{name}.py" for name in ("frames", "galaxies", "raw_file", "seeing")),
    *(f"field/{name}.py" for name in ("detection", "frames", "photometry", "sources", "stars")),
    "sky",
    "archive/frames.py",
)
"""Code that the stamps follow from; an edit of words makes none anew."""

COPIED = (
    "ObjID",
    "specObjID",
    "ra",
    "dec",
    "e_bv",
    "specz_redshift",
    "specz_redshift_err",
    "truth/parent",
    "truth/moved",
)


def write_in_frames(path: Path, drawn_path: Path, fields: Sequence[Frames], *, seed: int) -> int:
    """Put every unmoved galaxy of the renderer's file into one of the fields; return how many.

    A file that follows from the same galaxies, frames, seed and code is left as it is.

    Parameters
    ----------
    drawn_path : raw file of the renderer.
    seed : of fields, places and photon noise.

    Raises
    ------
    InputError
        There is no such raw file, a field has too few stars to measure its seeing by, or there is
        no room for the file.
    """
    if not drawn_path.is_file():
        raise InputError(
            f"{drawn_path}: missing; expected the galaxies that the renderer drew, which "
            "`dvc repro semireal` makes"
        )
    drawn = read_drawn(drawn_path)
    rows = np.flatnonzero(drawn.copy == 0)
    key = _key(drawn_path, fields, seed)
    if _made_of(path) == key:
        return len(rows)
    seeings = [measure_seeing(frames) for frames in fields]
    rng = np.random.default_rng(seed)
    field_of = rng.permutation(np.arange(len(rows)) % len(fields))
    images = np.empty((len(rows), len(BANDS), STAMP_SIDE, STAMP_SIDE), np.float32)
    psf_fwhm = np.empty((len(rows), len(BANDS)))
    for number, (frames, seeing) in enumerate(zip(fields, seeings, strict=True)):
        here = np.flatnonzero(field_of == number)
        images[here], psf_fwhm[here] = _in_one(frames, seeing, drawn.take(rows[here]), rng)
        logger.info("%s: %d galaxies put in", frames["r"].path.name, len(here))
    with open_hdf5(drawn_path) as raw, reading(drawn_path):
        copied = {name: find_dataset(raw, drawn_path, name)[...][rows] for name in COPIED}
    columns = copied | {"images": images, "truth/psf_fwhm": psf_fwhm, "truth/field": field_of}
    n_bytes = sum(values.nbytes for values in columns.values())
    with atomic_path(path, n_bytes=n_bytes) as unfinished, h5py.File(unfinished, "w") as file:
        file.attrs.update(
            source=SOURCE.format(n=len(fields)),
            unit="nanomaggies",
            bands=BANDS,
            pixel_scale=PIXEL_SCALE,
            made_of=key,
        )
        for name, values in columns.items():
            file[name] = values
    return len(rows)


def _key(drawn_path: Path, fields: Sequence[Frames], seed: int) -> str:
    """Digest of all that the file follows from."""
    frames = sorted(file_digest(frame.path) for field in fields for frame in field.values())
    code = source_digest(*MAKING)
    return text_digest(code, file_digest(drawn_path), *frames, str(seed))


def _made_of(path: Path) -> str | None:
    """Key of a file that is there; None where there is none that can be read."""
    if not path.is_file():
        return None
    with suppress(InputError), open_hdf5(path) as file:
        return text_attribute(file, "made_of", path)
    return None


def _in_one(
    frames: Frames, seeing: Seeing, galaxies: DrawnGalaxies, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Stamps (N, 5, 32, 32) of galaxies in one field, and the PSF that they got, (N, 5)."""
    images, widths = [], []
    rounds = inject_in_rounds(frames, seeing, galaxies.sources, rng, pixels=STAMP_REACH)
    for _, places, sources, changed in rounds:
        images.append(cut_all(changed, places.ra, places.dec).transpose(0, 3, 1, 2))
        widths.append(sources.psf_fwhm)
    return np.concatenate(images), np.concatenate(widths)
