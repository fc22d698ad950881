"""data/spectra.h5: the spectrum behind each galaxy of galaxies.h5, row by row.

What a spectrum network learns: the flux density at log-spaced observed wavelengths, without
Galactic extinction, relative to its photon-weighted mean in the r band. The r flux of the stamp
then turns a reconstruction into physical units.

Where the raw file holds SDSS spectra, they are their best-fit models; where it says what was
rendered, the kcorrect spectra fitted to the real photometry, with the departures of
`spectrum_departures`; else kcorrect spectra fitted to the
stamp's own aperture photometry at the spectroscopic redshift.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.dataset.store import open_own_file
from pix2z.errors import InputError
from pix2z.wavelengths import WavelengthGrid

__all__ = ["KINDS", "SCHEMA_VERSION", "Spectra", "open_spectra"]

SCHEMA_VERSION = 1

KINDS = {
    "sdss": "best-fit models of real SDSS spectra",
    "parent": "kcorrect spectra fitted to the real SDSS photometry of each galaxy (semi-real), "
    "with drawn departures of lines and continuum",
    "fitted": "kcorrect spectra fitted to the aperture photometry of each stamp",
}
"""Kind of target -> what it is, in words."""

Flux = NDArray[np.float32]


@dataclass(frozen=True)
class Spectra:
    """An open spectra.h5; made by `open_spectra`. Another process that it is sent to opens it."""

    path: Path
    grid: WavelengthGrid
    kind: str
    flux_on_disk: h5py.Dataset

    def __reduce__(self) -> tuple[Callable[[Path], "Spectra"], tuple[Path]]:
        """Pickle the path alone."""
        return _opened, (self.path.absolute(),)

    def __len__(self) -> int:
        """Return the number of galaxies."""
        return int(self.flux_on_disk.shape[0])

    def flux(self, rows: ArrayLike) -> Flux:
        """Read relative flux densities (n, L) at rows, any order; NaN where there is none."""
        wanted = np.asarray(rows, np.int64)
        values = np.empty((len(wanted), self.grid.n), np.float32)
        # Stored one after the other, a row is one read; h5py's selection by list is slower.
        for place in np.argsort(wanted, kind="stable"):
            values[place] = self.flux_on_disk[int(wanted[place])]
        return values


@contextmanager
def open_spectra(path: str | Path) -> Iterator[Spectra]:
    """Open spectra.h5 read-only; raise InputError where it is not one."""
    spectra = _opened(Path(path))
    with spectra.flux_on_disk.file:
        yield spectra


def _opened(path: Path) -> Spectra:
    file = open_own_file(path)
    if file.attrs.get("schema_version") != SCHEMA_VERSION or "flux" not in file:
        raise InputError(f"{path}: not a file of target spectra, version {SCHEMA_VERSION}")
    grid = WavelengthGrid(file.attrs["low"], file.attrs["high"], file["flux"].shape[1])
    return Spectra(path, grid, str(file.attrs["kind"]), file["flux"])
