"""The galaxies that the renderer drew, read back from its raw file."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import magnitude
from pix2z.errors import InputError
from pix2z.hdf5 import find_dataset, has_key, open_hdf5, reading
from pix2z.sky.rendering import Sources

__all__ = ["DrawnGalaxies", "read_drawn"]

R = 2
"""Of ugriz."""


@dataclass(frozen=True)
class DrawnGalaxies:
    """N galaxies as the renderer drew them, without neighbours and noise.

    sources : what is rendered, fluxes as seen through Galactic dust and with the calibration error
    of their field. z, ebv : (N,). parent : (N,) row in the catalogue of real galaxies. copy : (N,)
    0 for the unmoved one of a parent.
    """

    sources: Sources
    z: NDArray[np.float64]
    ebv: NDArray[np.float64]
    parent: NDArray[np.int64]
    copy: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the galaxies."""
        return len(self.z)

    @property
    def mag_r(self) -> NDArray[np.float64]:
        """(N,) r of all its light as seen, AB."""
        return np.asarray(magnitude(self.sources.flux[:, R]), np.float64)

    def take(self, rows: NDArray[np.int64]) -> "DrawnGalaxies":
        """Return the galaxies of these rows."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "sources"}
        return replace(self, sources=self.sources.take(rows), **columns)


def read_drawn(path: Path) -> DrawnGalaxies:
    """Read every galaxy of a raw file of `pix2z.stages.semireal`; InputError where it is none."""
    with open_hdf5(path) as file, reading(path):
        if not has_key(file, path, "truth/psf_fwhm"):
            raise InputError(f"{path}: expected a file of the renderer, with a group truth")

        def column(name: str) -> NDArray[np.float64]:
            return np.asarray(find_dataset(file, path, f"truth/{name}")[...], np.float64)

        parent = column("parent").astype(np.int64)
        return DrawnGalaxies(
            sources=Sources(**{one.name: column(one.name) for one in fields(Sources)}),
            z=column("z"),
            ebv=column("ebv"),
            parent=parent,
            copy=find_dataset(file, path, "ObjID")[...] - 10 * parent,
        )
