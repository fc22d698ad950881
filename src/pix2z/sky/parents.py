"""The 10,000 real SDSS galaxies that ship with kcorrect, cleaned and fitted.

Real: positions, redshifts, ugriz fluxes, Galactic extinction. Their smoothed fluxes, the templates
fitted to them, are what is rendered: measured u fluxes are noisy (median S/N 18).
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pix2z.errors import IntegrityError
from pix2z.files import file_digest
from pix2z.imaging import EXTINCTION_PER_EBV
from pix2z.sky.cosmology import distance_modulus
from pix2z.sky.templates import TemplateGrid, fit_templates, template_flux

__all__ = [
    "PARENTS_SHA256",
    "Z_RANGE",
    "Parents",
    "load_parents",
    "parents_path",
    "read_catalogue",
]

PARENTS_SHA256 = "d7e87e8abc45167e48889a0e824870760a2e6dde20650a6e41a72164859bf578"

Z_RANGE = (0.003, 0.4)
"""Redshifts kept: below, peculiar velocities matter; above, the redshift grid ends."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Parents:
    """Cleaned parents, one row each.

    index : (N,) row in the catalogue; ra, dec : deg; z : spectroscopic; ebv : E(B-V), SFD98.
    petro_r : dereddened Petrosian r, AB; flux : (N, 5) dereddened, smoothed, nanomaggies;
    coefficients : (N, 5); absolute_r : AB, z = 0 band; colour : rest-frame u - r.
    field : (N,) number of the SDSS field, one for parents that share it.
    cuts : what was left out, and why. templates : through ugriz; faint_limit : on petro_r.
    """

    index: NDArray[np.int64]
    ra: Array
    dec: Array
    z: Array
    ebv: Array
    petro_r: Array
    flux: Array
    coefficients: Array
    absolute_r: Array
    colour: Array
    field: NDArray[np.int64]
    cuts: dict[str, int]
    templates: TemplateGrid
    faint_limit: float

    def __len__(self) -> int:
        """Count the parents."""
        return len(self.index)


def parents_path() -> Path:
    """Where kcorrect keeps the catalogue."""
    return Path(str(files("kcorrect"))) / "data" / "test" / "gst_tests_small.fits"


def read_catalogue(path: Path) -> dict[str, NDArray[Any]]:
    """Read the catalogue's columns; raise IntegrityError where it is not the pinned file."""
    digest = file_digest(path)
    if digest != PARENTS_SHA256:
        raise IntegrityError(f"{path}: expected SHA-256 {PARENTS_SHA256}; got {digest}")
    names = ("RA", "DEC", "MODELFLUX", "MODELFLUX_IVAR", "PETROFLUX", "EXTINCTION", "Z")
    with fits.open(path) as hdus:
        return {name: np.asarray(hdus[1].data[name], np.float64) for name in names}


def _clean(
    catalogue: dict[str, NDArray[Any]], petro_r: Array, faint_limit: float
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Rows kept, and how many fail each cut (a row may fail several)."""
    z = catalogue["Z"]
    fails = {
        "non-positive MODELFLUX": (catalogue["MODELFLUX"] <= 0).any(axis=1),
        f"z outside {Z_RANGE[0]} to {Z_RANGE[1]}": (z < Z_RANGE[0]) | (z > Z_RANGE[1]),
        f"dereddened Petrosian r > {faint_limit}": ~(petro_r <= faint_limit),
    }
    kept = ~np.any(list(fails.values()), axis=0)
    return kept, {reason: int(rows.sum()) for reason, rows in fails.items()}


def _field(ra: Array, dec: Array) -> NDArray[np.int64]:
    """Cells of the sky as large as an SDSS field: 13.5 arcmin in declination, 9 along the scan."""
    strip = np.floor((dec + 90) * 60 / 13.5)
    along = np.floor(ra * np.cos(np.deg2rad(dec)) * 60 / 9)
    result: NDArray[np.int64] = (strip * 2400 + along).astype(np.int64)
    return result


def load_parents(templates: TemplateGrid, *, faint_limit: float) -> Parents:
    """Read, clean, deredden and fit the parents (about 1 s).

    Parameters
    ----------
    faint_limit : dereddened Petrosian r limit, AB magnitudes.
    """
    catalogue = read_catalogue(parents_path())
    petro_flux = np.maximum(catalogue["PETROFLUX"][:, 2], 1e-3)
    petro_r = 22.5 - 2.5 * np.log10(petro_flux) - catalogue["EXTINCTION"][:, 2]
    kept, cuts = _clean(catalogue, petro_r, faint_limit)
    row = {name: column[kept] for name, column in catalogue.items()}
    brightening = 10 ** (0.4 * row["EXTINCTION"])
    coefficients = fit_templates(
        templates,
        z=row["Z"],
        flux=row["MODELFLUX"] * brightening,
        inverse_variance=row["MODELFLUX_IVAR"] / brightening**2,
    )
    rest = template_flux(templates, z=np.zeros(len(row["Z"])), coefficients=coefficients)
    return Parents(
        index=np.flatnonzero(kept),
        ra=row["RA"],
        dec=row["DEC"],
        z=row["Z"],
        ebv=row["EXTINCTION"][:, 2] / EXTINCTION_PER_EBV[2],
        petro_r=petro_r[kept],
        flux=template_flux(templates, z=row["Z"], coefficients=coefficients),
        coefficients=coefficients,
        absolute_r=22.5 - 2.5 * np.log10(rest[:, 2]) - distance_modulus(row["Z"]),
        colour=-2.5 * np.log10(rest[:, 0] / rest[:, 2]),
        field=_field(row["RA"], row["DEC"]),
        cuts=cuts,
        templates=templates,
        faint_limit=faint_limit,
    )
