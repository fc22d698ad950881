"""The target spectra of the galaxies of galaxies.h5, made from the raw files they came from.

Where the raw file holds SDSS spectra, they are their best-fit models; where it says what was
rendered, the kcorrect spectra fitted to the real photometry; else kcorrect spectra fitted to the
stamp's own aperture photometry at the spectroscopic redshift.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry
from pix2z.dataset.sdss_models import (
    SDSS_MODEL,
    has_sdss_models,
    relative_to_r,
    sdss_model,
    without_extinction,
)
from pix2z.dataset.spectra import KINDS, SCHEMA_VERSION
from pix2z.dataset.store import Galaxies
from pix2z.errors import IntegrityError
from pix2z.files import atomic_path, files_of, total_digest
from pix2z.imaging import EXTINCTION_PER_EBV
from pix2z.sky.filters import band_weights
from pix2z.sky.template_spectra import TemplateSpectra
from pix2z.sky.templates import fit_templates, load_template_grid
from pix2z.wavelengths import WavelengthGrid

__all__ = ["write_target_spectra"]

logger = logging.getLogger(__name__)

BLOCK_ROWS = 512

APERTURE = APERTURE_RADII_ARCSEC.index(4.4)

Array = NDArray[np.float64]
Flux = NDArray[np.float32]


def write_target_spectra(
    path: str | Path, raw_path: str | Path, galaxies: Galaxies, *, grid: WavelengthGrid
) -> dict[str, Any]:
    """Write the target spectrum of every galaxy, in blocks; return what there is to report.

    Raises
    ------
    IntegrityError
        The raw files are not those that were ingested.
    InputError
        A raw file has spectra but not as `pix2z fetch sdss` writes them.
    """
    files = files_of(raw_path)
    if total_digest(files) != galaxies.attribute("source_sha256"):
        raise IntegrityError(f"{raw_path}: changed since ingest; expected what galaxies.h5 is of")
    n = len(galaxies)
    with _opened(files) as raw, atomic_path(path) as partial, h5py.File(partial, "w") as file:
        kind = _kind(raw)
        file.attrs.update(
            schema_version=SCHEMA_VERSION,
            low=grid.low,
            high=grid.high,
            kind=kind,
            source=KINDS[kind],
            unit="relative to the photon-weighted mean flux density in r",
        )
        stored = file.create_dataset("flux", (n, grid.n), np.float32, track_times=False)
        targets = _Targets(kind, raw, galaxies, grid)
        missing = 0
        for start in range(0, n, BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, n))
            flux = targets.flux(rows)
            stored[start : start + len(rows)] = flux
            missing += int(np.isnan(flux).all(axis=1).sum())
    logger.info("%d spectra, %d galaxies without one: %s", n - missing, missing, KINDS[kind])
    return {"kind": kind, "source": KINDS[kind], "n": n - missing, "without_spectrum": missing}


@contextmanager
def _opened(paths: tuple[Path, ...]) -> Iterator[list[h5py.File]]:
    files = [h5py.File(path, "r") for path in paths if h5py.is_hdf5(path)]
    try:
        yield files if len(files) == len(paths) else []
    finally:
        for file in files:
            file.close()


def _kind(raw: list[h5py.File]) -> str:
    """Return the one kind of target that all raw files have."""
    if raw and all([has_sdss_models(file) for file in raw]):
        return "sdss"
    if raw and all("truth/template_coefficients" in file for file in raw):
        return "parent"
    return "fitted"


class _Targets:
    """Target spectra of rows of galaxies.h5, of one kind."""

    def __init__(
        self, kind: str, raw: list[h5py.File], galaxies: Galaxies, grid: WavelengthGrid
    ) -> None:
        self._make = {"sdss": self._sdss, "parent": self._parent, "fitted": self._fitted}[kind]
        self._raw, self._galaxies, self._grid = raw, galaxies, grid
        self._r = band_weights(grid.values, "r")
        self._origin = galaxies.column("row_origin")
        self._z = galaxies.column("specz_redshift").astype(np.float64)
        if kind == "sdss":
            self._first = np.cumsum([0, *(len(file[SDSS_MODEL]) for file in raw)])
        elif kind == "parent":
            self._coefficients = self._truth("template_coefficients")
            self._drawn_z = self._truth("z")
        if kind == "fitted":
            self._projector = load_template_grid()
        if kind != "sdss":
            self._templates = TemplateSpectra(grid, z_max=float(self._z.max()) + 0.01)

    def flux(self, rows: NDArray[np.int64]) -> Flux:
        """Return relative flux densities (n, L)."""
        return relative_to_r(self._make(rows), self._r)

    def _truth(self, name: str) -> Array:
        return np.concatenate([file[f"truth/{name}"][...] for file in self._raw])

    def _parent(self, rows: NDArray[np.int64]) -> Flux:
        origin = self._origin[rows]
        return self._templates.observed(self._coefficients[origin], self._drawn_z[origin])

    def _fitted(self, rows: NDArray[np.int64]) -> Flux:
        flux, error, _ = aperture_photometry(self._galaxies.images(rows))
        ebv = self._galaxies.column("ebv", rows)[:, None]
        brightening = 10 ** (0.4 * np.nan_to_num(ebv) * np.array(EXTINCTION_PER_EBV))
        dereddened, sigma = flux[:, APERTURE] * brightening, error[:, APERTURE] * brightening
        known = np.isfinite(dereddened) & (sigma > 0)
        coefficients = fit_templates(
            self._projector,
            z=self._z[rows],
            flux=np.where(known, dereddened, 0.0).astype(np.float64),
            # Next to nothing where a band is absent: the others then decide.
            inverse_variance=np.where(known, 1 / np.maximum(sigma, 1e-6) ** 2, 1e-12),
        )
        return self._templates.observed(coefficients, self._z[rows])

    def _sdss(self, rows: NDArray[np.int64]) -> Flux:
        """Read best-fit models on the grid, corrected for extinction where E(B-V) is known."""
        flux = np.full((len(rows), self._grid.n), np.nan, np.float32)
        for place, origin in enumerate(self._origin[rows]):
            number = int(np.searchsorted(self._first, origin, side="right")) - 1
            row = int(origin - self._first[number])
            flux[place] = sdss_model(self._raw[number], row, self._grid.values)
        return without_extinction(flux, self._grid.values, self._galaxies.column("ebv", rows))
