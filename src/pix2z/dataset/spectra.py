"""data/spectra.h5: the spectrum behind each galaxy of galaxies.h5, row by row.

What a spectrum network learns: the flux density at log-spaced observed wavelengths, without
Galactic extinction, relative to its photon-weighted mean in the r band. The r flux of the stamp
then turns a reconstruction into physical units.

Where the raw file holds SDSS spectra, they are their best-fit models; where it says what was
rendered, the kcorrect spectra fitted to the real photometry; else kcorrect spectra fitted to the
stamp's own aperture photometry at the spectroscopic redshift.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.errors import InputError
from pix2z.wavelengths import WavelengthGrid

__all__ = ["KINDS", "SCHEMA_VERSION", "Spectra", "open_spectra"]

SCHEMA_VERSION = 1

KINDS = {
    "sdss": "best-fit models of real SDSS spectra",
    "parent": "kcorrect spectra fitted to the real SDSS photometry of each galaxy (semi-real)",
    "fitted": "kcorrect spectra fitted to the aperture photometry of each stamp",
}
"""Kind of target -> what it is, in words."""

Flux = NDArray[np.float32]


@dataclass(frozen=True)
class Spectra:
    """An open spectra.h5; made by `open_spectra`."""

    path: Path
    grid: WavelengthGrid
    kind: str
    _flux: h5py.Dataset

    def __len__(self) -> int:
        """Return the number of galaxies."""
        return int(self._flux.shape[0])

    def flux(self, rows: ArrayLike) -> Flux:
        """Read relative flux densities (n, L) at rows, any order; NaN where there is none."""
        wanted = np.asarray(rows, np.int64)
        values = np.empty((len(wanted), self.grid.n), np.float32)
        # Stored one after the other, a row is one read; h5py's selection by list is slower.
        for place in np.argsort(wanted, kind="stable"):
            values[place] = self._flux[int(wanted[place])]
        return values


@contextmanager
def open_spectra(path: str | Path) -> Iterator[Spectra]:
    """Open spectra.h5 read-only; raise InputError where it is not one."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "no such file" if not Path(path).exists() else "damaged or not HDF5"
        raise InputError(f"{path}: cannot be opened: {reason}") from error
    with file:
        if file.attrs.get("schema_version") != SCHEMA_VERSION or "flux" not in file:
            raise InputError(f"{path}: not a file of target spectra, version {SCHEMA_VERSION}")
        attributes = file.attrs
        grid = WavelengthGrid(attributes["low"], attributes["high"], file["flux"].shape[1])
        yield Spectra(Path(path), grid, str(attributes["kind"]), file["flux"])
