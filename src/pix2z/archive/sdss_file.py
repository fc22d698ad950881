"""Galaxies with stamps and spectra -> raw HDF5 in layout `sdss32`, appended field by field.

Beside the keys of NERSC's files there are `zwarning`, `class` and the group `spectra`: `loglam`
(L,), `flux`, `ivar` and `model` (N, L). Galaxies without a spectrum have NaN, ZWARNING -1 and no
class; a file of such galaxies alone has none of these keys, and no redshifts.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pix2z.archive.addresses import RELEASE
from pix2z.archive.sdss_list import SdssObject
from pix2z.archive.sdss_spectra import LOGLAM, SdssSpectrum, Spectral
from pix2z.files import atomic_path
from pix2z.imaging import BANDS, PIXEL_SCALE, SOFTENED_UNIT
from pix2z.wavelengths import FLUX_UNIT

__all__ = ["FetchedGalaxy", "object_id", "raw_writer", "soften", "spec_object_id"]

SOURCE = (
    f"real SDSS galaxies, data release {RELEASE}: images cut from corrected frames at the "
    "positions of the spectra or of the imaging's objects, redshifts from the spectra"
)
SOFTENED_SOURCE = f"{SOURCE}; pixels softened to [0, 1], no fluxes any more"

CHUNK_ROWS = {"images": 64, "spectra": 8}
COLUMN_CHUNK = 4096

CLASS_DTYPE = "S16"

SMOOTHING, BLEND, GAMMA, STRETCH = 1.0, 0.5, 0.8, 10.0
"""Of softened pixels: sigma of the Gaussian in pixels, share of the smoothed copy; a power below 1
and a factor of a logarithm, which both lift what is faint."""

BOSS_RUN2D = re.compile(r"v(\d+)_(\d+)_(\d+)")

Arrays = dict[str, NDArray[Any]]
Append = Callable[[Sequence["FetchedGalaxy"]], None]


@dataclass(frozen=True)
class FetchedGalaxy:
    """A galaxy that is complete.

    spectrum : None where it has none. arrays : flux, ivar and model (L,) on the common grid.
    stamp : (32, 32, 5) nanomaggies, NaN off a frame and where there is none.
    """

    listed: SdssObject
    spectrum: SdssSpectrum | None
    arrays: Spectral
    stamp: NDArray[np.float32]

    @property
    def position(self) -> tuple[float, float]:
        """RA and Dec in degrees, at which it was cut."""
        at = self.spectrum or self.listed
        return at.ra, at.dec


def object_id(listed: SdssObject) -> int:
    """Id that people can read, of 14 digits: plate, mjd (5), fiber (4).

    SDSS's own 64-bit id of a spectrum leaves the range of an int64 at plate 8192. Without a
    spectrum it is the id of SDSS's imaging, else the number of the row.
    """
    if not listed.has_spectrum:
        return listed.object_id or listed.row
    return listed.plate * 10**9 + listed.mjd * 10**4 + listed.fiber


def spec_object_id(listed: SdssObject) -> int:
    """SDSS's id of a spectrum (specObjID), as its data releases since the eighth make it; or 0.

    From the highest bit down: plate (14), fiber (12), mjd - 50000 (14), run2d (14), 10 of zero;
    run2d vN_M_P counts as 10000 (N - 5) + 100 M + P.
    """
    if not listed.has_spectrum:
        return 0
    boss = BOSS_RUN2D.fullmatch(listed.run2d)
    if boss is None:
        run2d = int(listed.run2d)
    else:
        n, m, p = (int(part) for part in boss.groups())
        run2d = 10_000 * (n - 5) + 100 * m + p
    bits = listed.plate << 50 | listed.fiber << 38 | (listed.mjd - 50_000) << 24 | run2d << 10
    return bits % 2**64


@contextmanager
def raw_writer(path: Path, *, has_ebv: bool, has_spectra: bool, softened: bool) -> Iterator[Append]:
    """Yield a function that appends galaxies to the file, which has its name at the end.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    with atomic_path(path) as unfinished, h5py.File(unfinished, "w") as file:
        file.attrs.update(
            source=SOFTENED_SOURCE if softened else SOURCE,
            data_release=RELEASE,
            unit=SOFTENED_UNIT if softened else "nanomaggies",
            bands=BANDS,
            pixel_scale=PIXEL_SCALE,
        )
        if has_spectra:
            file["spectra/loglam"] = LOGLAM
            file["spectra/loglam"].attrs["unit"] = "log10(Angstrom), vacuum, observed"

        def append(galaxies: Sequence[FetchedGalaxy]) -> None:
            rows = _rows(galaxies, softened=softened)
            rows |= _of_spectra(galaxies) if has_spectra else {}
            if has_ebv:
                rows["e_bv"] = np.array([one.listed.ebv for one in galaxies], np.float32)
            _append(file, rows)

        yield append


def _rows(galaxies: Sequence[FetchedGalaxy], *, softened: bool) -> Arrays:
    stamps = np.array([galaxy.stamp for galaxy in galaxies])
    ra, dec = np.array([galaxy.position for galaxy in galaxies], np.float64).T
    return {
        "images": np.moveaxis(soften(stamps) if softened else stamps, -1, 1),
        "ra": ra,
        "dec": dec,
        "ObjID": np.array([object_id(galaxy.listed) for galaxy in galaxies], np.int64),
    }


def _of_spectra(galaxies: Sequence[FetchedGalaxy]) -> Arrays:
    said = [
        (one.z, one.z_error, one.z_warning, one.spectral_class.encode())
        if (one := galaxy.spectrum)
        else (np.nan, np.nan, -1, b"")
        for galaxy in galaxies
    ]
    z, z_error, z_warning, spectral_class = zip(*said, strict=True)
    return {
        "specz_redshift": np.array(z, np.float32),
        "specz_redshift_err": np.array(z_error, np.float32),
        "zwarning": np.array(z_warning, np.int32),
        "class": np.array(spectral_class, CLASS_DTYPE),
        "specObjID": np.array([spec_object_id(galaxy.listed) for galaxy in galaxies], np.uint64),
        **{
            f"spectra/{name}": np.array([galaxy.arrays[name] for galaxy in galaxies])
            for name in galaxies[0].arrays
        },
    }


def _append(file: h5py.File, rows: Arrays) -> None:
    for key, values in rows.items():
        if key not in file:
            chunk = CHUNK_ROWS.get(key.split("/")[0], COLUMN_CHUNK)
            shape, side = (0, *values.shape[1:]), values.shape[1:]
            made = file.create_dataset(
                key, shape, values.dtype, maxshape=(None, *side), chunks=(chunk, *side)
            )
            if key.startswith("spectra/"):
                made.attrs["unit"] = f"1 / ({FLUX_UNIT})^2" if key.endswith("ivar") else FLUX_UNIT
        stored = file[key]
        before = len(stored)
        stored.resize(before + len(values), axis=0)
        stored[before:] = values


def soften(stamps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Soften each band of each stamp by itself, to [0, 1]; NaN stays NaN.

    As an older system fed its network: here to be compared with, not to be recommended, since it
    takes brightness and colours away (each band of each galaxy then has the same largest pixel).

    Over its largest pixel, x = (1 - `BLEND`) x + `BLEND` Gaussian(x); then, with negative pixels at
    0, log(1 + `STRETCH` x^`GAMMA`) / log(1 + `STRETCH`), clipped to [0, 1].

    stamps : (..., side, side, bands) fluxes in any unit; a band without a positive pixel becomes 0.
    """
    known = np.isfinite(stamps)
    flux = np.where(known, stamps, np.float32(0))
    largest = flux.max(axis=(-3, -2), keepdims=True)
    scaled = np.divide(flux, largest, out=np.zeros_like(flux), where=largest > 0)
    # Divided by the smoothed mask: pixels that are not known count neither as flux nor as zero.
    sigma = (0.0,) * (stamps.ndim - 3) + (SMOOTHING, SMOOTHING, 0.0)
    weight = gaussian_filter(known.astype(np.float32), sigma)
    smooth = np.divide(
        gaussian_filter(scaled, sigma), weight, out=np.zeros_like(scaled), where=weight > 0
    )
    blended = np.maximum((1 - BLEND) * scaled + BLEND * smooth, 0)
    stretched = np.log1p(STRETCH * blended**GAMMA) / np.log1p(STRETCH)
    return np.where(known, np.clip(stretched, 0, 1), np.nan).astype(np.float32)
