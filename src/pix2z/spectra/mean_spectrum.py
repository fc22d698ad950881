"""The control of spectrum networks: the mean training spectrum for every galaxy."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.spectra import Spectra
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.sky.filters import band_weights, covered_bands, flux_density_per_nanomaggy
from pix2z.spectra.scores import ScoredSpectra, score_spectra

__all__ = ["mean_spectrum_scores"]

BLOCK = 512

Flux = NDArray[np.float32]


def mean_spectrum_scores(spectra: Spectra, galaxies: Galaxies, split: Split) -> ScoredSpectra:
    """Judge what no image at all gives; its bands are quantiles of calibration residuals."""
    total, count = np.zeros(spectra.grid.n), np.zeros(spectra.grid.n)
    for flux in _blocks(spectra, split.train):
        total += np.nansum(flux, axis=0)
        count += np.isfinite(flux).sum(axis=0)
    mean = (total / np.maximum(count, 1)).astype(np.float32)
    few = split.calibration[:: max(1, len(split.calibration) // 2000)]
    half68, half95 = np.nanquantile(np.abs(spectra.flux(few) - mean), [0.68, 0.95], axis=0)
    z = galaxies.column("specz_redshift").astype(np.float64)

    def blocks() -> Iterator[tuple[Flux, Flux, Flux, Flux, NDArray[np.float64]]]:
        for start in range(0, len(split.test), BLOCK):
            rows = split.test[start : start + BLOCK]
            truth = spectra.flux(rows)
            same = [
                np.broadcast_to(v.astype(np.float32), truth.shape) for v in (mean, half68, half95)
            ]
            yield same[0], same[1], same[2], truth, z[rows]

    wavelength = spectra.grid.values
    bands = {
        band: (band_weights(wavelength, band), flux_density_per_nanomaggy(band))
        for band in covered_bands(wavelength)
    }
    return score_spectra(blocks(), wavelength=wavelength, bands=bands)


def _blocks(spectra: Spectra, rows: NDArray[np.int64]) -> Iterator[Flux]:
    for start in range(0, len(rows), BLOCK):
        yield spectra.flux(rows[start : start + BLOCK])
