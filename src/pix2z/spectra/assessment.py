"""From stored reconstructions to reports/spectrum: spectra, ways to a redshift, figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.spectrum import SpectrumConfig, TemplateSearchConfig
from pix2z.dataset.photometry import aperture_photometry, magnitude
from pix2z.dataset.spectra import Spectra
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.imaging import BANDS, EXTINCTION_PER_EBV
from pix2z.redshift_pdf.flags import FitFlag
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.sky.filters import band_weights, covered_bands, flux_density_per_nanomaggy
from pix2z.spectra.boosted import fit_boosted
from pix2z.spectra.reading import point_terms_of_way
from pix2z.spectra.scores import ScoredSpectra, score_spectra
from pix2z.spectra.template_redshift import fit_redshifts
from pix2z.spectra.templates import Templates
from pix2z.wavelengths import binned

__all__ = [
    "Reconstructed",
    "bands_of",
    "boosted_way",
    "measured_colours",
    "network_way",
    "scored",
    "template_way",
    "terms_of",
]

BLOCK = 256
LEAST_ERROR = 1e-4
"""Relative to r: no reconstruction is better."""

Array = NDArray[np.float64]
Flux = NDArray[np.float32]
Rows = NDArray[np.int64]
Way = tuple[Array, Array]
"""z_phot of calibration galaxies (m,) and of test galaxies (n,)."""


@dataclass(frozen=True)
class Reconstructed:
    """An open spectrum/reconstructed/ARM.hdf5: calibration galaxies first, then test galaxies."""

    file: h5py.File
    n_calibration: int

    def __len__(self) -> int:
        """Count the galaxies."""
        return int(self.file["flux"].shape[0])

    @property
    def calibration(self) -> slice:
        """Places of the calibration galaxies."""
        return slice(0, self.n_calibration)

    @property
    def test(self) -> slice:
        """Places of the test galaxies."""
        return slice(self.n_calibration, len(self))

    def templates(self, n: int) -> Templates:
        """Return the first n vectors of the rest-frame basis learned on training spectra."""
        group = self.file["basis"]
        return Templates(group["wavelength"][...], group["flux"][:n], non_negative=False)

    def relative(self, name: str, part: slice) -> Flux:
        """Flux or an error of the galaxies at these places, relative to r, (b, L)."""
        scale = self.file["mean_flux_r"][part]
        return np.asarray(self.file[name][part] / scale[:, None], np.float32)

    def blocks(self, part: slice) -> Iterator[slice]:
        """Cut places into blocks."""
        for start in range(part.start, part.stop, BLOCK):
            yield slice(start, min(start + BLOCK, part.stop))


def scored(found: Reconstructed, spectra: Spectra, galaxies: Galaxies) -> ScoredSpectra:
    """Judge the spectra of the test galaxies."""
    wavelength = spectra.grid.values
    rows = found.file["row"][...]
    z = galaxies.column("specz_redshift")

    def blocks() -> Iterator[tuple[Flux, Flux, Flux, Flux, Array]]:
        for block in found.blocks(found.test):
            flux, half68, half95 = (
                found.relative(name, block) for name in ("flux", "flux_error", "flux_error95")
            )
            truth = spectra.flux(rows[block])
            yield flux, half68, half95, truth, z[rows[block]].astype(np.float64)

    return score_spectra(blocks(), wavelength=wavelength, bands=bands_of(wavelength))


def bands_of(wavelength: Array) -> dict[str, tuple[Array, float]]:
    """Weights and flux density per nanomaggy of each band that the wavelengths cover."""
    return {
        band: (band_weights(wavelength, band), flux_density_per_nanomaggy(band))
        for band in covered_bands(wavelength)
    }


def measured_colours(galaxies: Galaxies, rows: Rows, *, bands: str) -> Array:
    """Dereddened colours (n, C) of stamps in neighbouring ones of `bands`, largest aperture."""
    index = [BANDS.index(band) for band in bands]
    found = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        flux, _, _ = aperture_photometry(galaxies.images(block))
        ebv = np.nan_to_num(galaxies.column("ebv", block))[:, None]
        extinction = ebv * np.array(EXTINCTION_PER_EBV)[index]
        found.append(-np.diff(magnitude(flux[:, -1, index]) - extinction, axis=1))
    return np.concatenate(found).astype(np.float64)


def network_way(found: Reconstructed) -> Way:
    """Medians of the redshift PDF that shifts the network's basis; NaN of a plain network."""
    z = found.file["pix2z_z_median"][...].astype(np.float64)
    return z[found.calibration], z[found.test]


def template_way(
    found: Reconstructed, *, z_range: tuple[float, float], search: TemplateSearchConfig
) -> Way:
    """Read redshifts with the learned basis, which is not what the targets were made of.

    Reconstructions are smooth, so means over some wavelengths say as much as all of them. A best
    redshift at an end of the range is none: the second best is taken.
    """
    n = search.n_pixels
    ln_wavelength = np.log(found.file["wavelength"][...])[None, :]
    wavelength = np.exp(binned(ln_wavelength, n)[0])
    z = []
    for block in found.blocks(slice(0, len(found))):
        flux, error = (binned(found.relative(k, block), n) for k in ("flux", "flux_error"))
        fit = fit_redshifts(
            wavelength,
            flux,
            1 / np.maximum(error, LEAST_ERROR) ** 2,
            found.templates(search.n_templates),
            z_min=z_range[0],
            z_max=z_range[1],
            degree=search.degree,
        )
        at_end = (fit.flags & FitFlag.AT_END) > 0
        z.append(np.where(at_end, fit.z_second, fit.z))
    every = np.concatenate(z)
    return every[found.calibration], every[found.test]


def boosted_way(
    found: Reconstructed, unseen: str | Path, z_spec: Array, *, settings: SpectrumConfig
) -> Way:
    """Read redshifts with trees that learned from spectra of networks that never saw the galaxy."""
    with h5py.File(unseen, "r") as file:
        train, validation = (
            (file[part]["flux"][...], z_spec[file[part]["rows"][...]])
            for part in ("train", "validation")
        )
    trees = fit_boosted(train, validation, settings=settings.boosting)
    every = [
        trees.predict(binned(found.relative("flux", block), settings.boosting.n_pixels))
        for block in found.blocks(slice(0, len(found)))
    ]
    z = np.concatenate(every).astype(np.float64)
    return z[found.calibration], z[found.test]


def terms_of(
    way: Way,
    galaxies: Galaxies,
    split: Split,
    *,
    grid: RedshiftGrid,
    n_phot_bins: int,
) -> GalaxyTerms:
    """Terms of the metrics of a way on the test galaxies; residuals of calibration galaxies."""
    rows = split.test
    columns: Mapping[str, NDArray[Any]] = {
        "row": rows,
        "object_id": galaxies.column("object_id", rows),
        "group_id": galaxies.column("group_id", rows),
        "z_spec": galaxies.column("specz_redshift", rows).astype(np.float64),
        "mag_r": galaxies.column("mag_r", rows),
        "ebv": galaxies.column("ebv", rows),
    }
    z_calibration = galaxies.column("specz_redshift", split.calibration).astype(np.float64)
    return point_terms_of_way(
        (way[0], z_calibration), way[1], columns, grid=grid, n_phot_bins=n_phot_bins
    )
