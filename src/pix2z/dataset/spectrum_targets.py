"""The target spectra of the galaxies of galaxies.h5, made from the raw files they came from.

What they are is said in `spectra`.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometric_spectra import PhotometricSpectra
from pix2z.dataset.sdss_models import (
    SDSS_MODEL,
    has_sdss_models,
    relative_to_r,
    sdss_model,
    without_extinction,
)
from pix2z.dataset.spectra import KINDS, SCHEMA_VERSION
from pix2z.dataset.spectrum_departures import Departures
from pix2z.dataset.store import Galaxies
from pix2z.errors import IntegrityError
from pix2z.files import atomic_path, files_of, total_digest
from pix2z.sky.filters import band_weights
from pix2z.sky.templates import TemplateSpectra
from pix2z.wavelengths import WavelengthGrid

__all__ = ["write_target_spectra"]

logger = logging.getLogger(__name__)

BLOCK_ROWS = 512

OF_PARENTS = ("template_coefficients", "z", "parent", "template_scatter")
"""In the group ``truth`` of a rendered sky."""

Rows = NDArray[np.int64]
Flux = NDArray[np.float32]
Targets = Callable[[Rows], Flux]
"""Rows of galaxies.h5 (n,) -> flux densities (n, L), NaN where there are none."""


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
    with (
        ExitStack() as opened,
        atomic_path(path, n_bytes=4 * n * grid.n) as partial,
        h5py.File(partial, "w") as file,
    ):
        raw = [opened.enter_context(h5py.File(one, "r")) for one in files if h5py.is_hdf5(one)]
        kind = _kind(raw) if len(raw) == len(files) else "fitted"
        file.attrs.update(
            schema_version=SCHEMA_VERSION,
            low=grid.low,
            high=grid.high,
            kind=kind,
            source=KINDS[kind],
            unit="relative to the photon-weighted mean flux density in r",
        )
        stored = file.create_dataset("flux", (n, grid.n), np.float32, track_times=False)
        targets = {"sdss": _sdss, "parent": _parent, "fitted": _fitted}[kind](raw, galaxies, grid)
        r_weights, missing = band_weights(grid.values, "r"), 0
        for start in range(0, n, BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, n))
            flux = relative_to_r(targets(rows), r_weights)
            stored[start : start + len(rows)] = flux
            missing += int(np.isnan(flux).all(axis=1).sum())
    logger.info("%d spectra, %d galaxies without one: %s", n - missing, missing, KINDS[kind])
    return {"kind": kind, "source": KINDS[kind], "n": n - missing, "without_spectrum": missing}


def _kind(raw: list[h5py.File]) -> str:
    """Return the one kind of target that all raw files have."""
    if all([has_sdss_models(file) for file in raw]):
        return "sdss"
    if all(f"truth/{name}" in file for file in raw for name in OF_PARENTS):
        return "parent"
    return "fitted"


def _sdss(raw: list[h5py.File], galaxies: Galaxies, grid: WavelengthGrid) -> Targets:
    """Read best-fit models on the grid, corrected for extinction where E(B-V) is known."""
    first = np.cumsum([0, *(len(file[SDSS_MODEL]) for file in raw)])

    def targets(rows: Rows) -> Flux:
        flux = np.full((len(rows), grid.n), np.nan, np.float32)
        for place, origin in enumerate(galaxies.column("row_origin", rows)):
            number = int(np.searchsorted(first, origin, side="right")) - 1
            flux[place] = sdss_model(raw[number], int(origin - first[number]), grid.values)
        return without_extinction(flux, grid.values, galaxies.column("ebv", rows))

    return targets


def _parent(raw: list[h5py.File], galaxies: Galaxies, grid: WavelengthGrid) -> Targets:
    """Give the spectra that were fitted to the parents of rendered galaxies, at the drawn z.

    With what template sums lack, see `spectrum_departures`.
    """
    coefficients, z, parent, scatter = (
        np.concatenate([file[f"truth/{name}"][...] for file in raw]) for name in OF_PARENTS
    )
    templates = TemplateSpectra(grid, z_max=_z_max(galaxies))
    departures = Departures(grid, z_max=_z_max(galaxies))

    def targets(rows: Rows) -> Flux:
        origin = galaxies.column("row_origin", rows)
        return departures.added(
            templates.observed(coefficients[origin], z[origin]),
            coefficients=coefficients[origin],
            z=z[origin],
            parent=parent[origin],
            scatter=scatter[origin],
        )

    return targets


def _fitted(_raw: list[h5py.File], galaxies: Galaxies, grid: WavelengthGrid) -> Targets:
    """Fit spectra to the aperture photometry of the stamps."""
    fitted = PhotometricSpectra(galaxies, grid, z_max=_z_max(galaxies))

    def targets(rows: Rows) -> Flux:
        return fitted.at(rows, galaxies.column("specz_redshift", rows).astype(np.float64))

    return targets


def _z_max(galaxies: Galaxies) -> float:
    return float(galaxies.column("specz_redshift").astype(np.float64).max()) + 0.01
