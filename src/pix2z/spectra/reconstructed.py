"""Spectra that networks made of images, as stored, and how close they come to their targets.

Beside them stand what needs no spectrum network: the mean training spectrum for every galaxy, which
no image at all gives; the mean spectra of galaxies of like colour; and templates fitted to the
photometry of the stamps, whose colours are measured too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.photometric_spectra import PhotometricSpectra
from pix2z.dataset.photometry import aperture_photometry, magnitude
from pix2z.dataset.spectra import Spectra
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.imaging import BANDS, EXTINCTION_PER_EBV
from pix2z.redshift_pdf.calibration import evenly_spread
from pix2z.spectra.scores import ScoredBlock, ScoredSpectra, score_spectra
from pix2z.wavelengths.lines import BLENDS, at_lines

__all__ = [
    "Reconstructed",
    "bands_at_lines",
    "colour_mean_scores",
    "mean_spectrum_scores",
    "photometric_scores",
    "measured_colours",
    "reconstruction_scores",
]

BLOCK = 256
"""Galaxies whose spectra are in memory at a time."""

COLOUR_ROWS = 3000
"""Training galaxies, at most, behind the mean spectra of galaxies of like colour."""
COLOUR_BINS = 20

UNKNOWN = np.array([np.nan])
"""Half width of a band that spectra do not have."""

Array = NDArray[np.float64]
Flux = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Reconstructed:
    """An open spectrum/reconstructed/ARM.hdf5: calibration galaxies first, then test galaxies.

    n_calibration : how many the former are.
    """

    file: h5py.File
    n_calibration: int

    def __len__(self) -> int:
        """Count the galaxies."""
        return int(self.file["flux"].shape[0])

    def relative(self, name: str, block: slice) -> Flux:
        """Flux or an error of the galaxies at these places, relative to r, (b, L) or (b, G)."""
        scale = self.file["mean_flux_r"][block]
        return np.asarray(self.file[name][block] / scale[:, None], np.float32)

    def blocks(self, start: int = 0) -> Iterator[slice]:
        """Cut the places from `start` on into blocks."""
        for first in range(start, len(self), BLOCK):
            yield slice(first, min(first + BLOCK, len(self)))


def reconstruction_scores(
    reconstructed: Reconstructed, spectra: Spectra, galaxies: Galaxies
) -> ScoredSpectra:
    """Judge the spectra of the test galaxies."""
    rows = reconstructed.file["row"][...]
    z, wavelength = galaxies.column("specz_redshift").astype(np.float64), spectra.grid.values

    def blocks() -> Iterator[ScoredBlock]:
        for block in reconstructed.blocks(reconstructed.n_calibration):
            flux, half68, half95, line68, line95 = (
                reconstructed.relative(name, block)
                for name in ("flux", "flux_error", "flux_error95", "line_error", "line_error95")
            )
            truth, redshifts = spectra.flux(rows[block]), z[rows[block]]
            low = reconstructed.file["pix2z_z_err99_low"][block]
            high = reconstructed.file["pix2z_z_err99_high"][block]
            elsewhere = (redshifts < low) | (redshifts > high)  # False of NaN: no redshift
            line68 = bands_at_lines(line68, half68, wavelength, redshifts, elsewhere)
            line95 = bands_at_lines(line95, half95, wavelength, redshifts, elsewhere)
            yield ScoredBlock(flux, half68, half95, line68, line95, truth, redshifts)

    return score_spectra(blocks(), wavelength=wavelength)


def bands_at_lines(
    line: Flux, half: Flux, wavelength: Array, z: Array, elsewhere: NDArray[np.bool_]
) -> Flux:
    """Half widths (b, G) of the bands that a reader finds at the lines of galaxies.

    line : (b, G) those of lines; half : (b, L) those of the continuum. elsewhere : (b,) whether a
    galaxy's redshift z (b,) is outside the interval in which its lines are looked for: then the
    band at their places is that of the continuum.
    """
    first = at_lines(half, wavelength, z)[:, :, 0]
    return np.where(elsewhere[:, None], first, line).astype(np.float32)


def mean_spectrum_scores(spectra: Spectra, galaxies: Galaxies, split: Split) -> ScoredSpectra:
    """Judge what no image at all gives; its bands are quantiles of calibration residuals."""
    total, count = np.zeros(spectra.grid.n), np.zeros(spectra.grid.n)
    for start in range(0, len(split.train), BLOCK):
        flux = spectra.flux(split.train[start : start + BLOCK])
        total += np.nansum(flux, axis=0)
        count += np.isfinite(flux).sum(axis=0)
    mean = (total / np.maximum(count, 1)).astype(np.float32)
    few = split.calibration[:: max(1, len(split.calibration) // 2000)]
    half68, half95 = np.nanquantile(np.abs(spectra.flux(few) - mean), [0.68, 0.95], axis=0)
    flux = np.broadcast_to(mean, (len(split.test), spectra.grid.n))
    return _scored(spectra, galaxies, split, flux, half68=half68, half95=half95)


def colour_mean_scores(spectra: Spectra, galaxies: Galaxies, split: Split) -> ScoredSpectra:
    """Judge, for every galaxy, the mean spectrum of training galaxies of its measured g - r."""
    few = evenly_spread(split.train, most=COLOUR_ROWS)
    trained, judged = (
        np.nan_to_num(measured_colours(galaxies, rows, bands="gr")[:, 0])
        for rows in (few, split.test)
    )
    edges = np.quantile(trained, np.linspace(0, 1, COLOUR_BINS + 1)[1:-1])
    flux, bins = spectra.flux(few), np.searchsorted(edges, trained)
    means = np.zeros((COLOUR_BINS, spectra.grid.n))
    for number in np.unique(bins):
        of_bin = flux[bins == number]
        count = np.isfinite(of_bin).sum(axis=0)
        means[number] = np.nansum(of_bin, axis=0) / np.maximum(count, 1)
    return _scored(spectra, galaxies, split, means[np.searchsorted(edges, judged)])


def photometric_scores(
    spectra: Spectra, galaxies: Galaxies, split: Split, fitted: PhotometricSpectra, z: Array
) -> ScoredSpectra:
    """Judge kcorrect's templates fitted to the photometry of the stamps.

    Parameters
    ----------
    z : (n, K) redshifts of the test galaxies over which the spectrum is averaged.
    """
    blocks = [slice(start, start + BLOCK) for start in range(0, len(z), BLOCK)]
    flux = np.concatenate([fitted.mean_over(split.test[block], z[block]) for block in blocks])
    return _scored(spectra, galaxies, split, flux)


def _scored(
    spectra: Spectra,
    galaxies: Galaxies,
    split: Split,
    flux: NDArray[np.floating],
    *,
    half68: Array = UNKNOWN,
    half95: Array = UNKNOWN,
) -> ScoredSpectra:
    """Judge spectra (n, L) of the test galaxies, whose half widths (L,) are those of all."""
    z = galaxies.column("specz_redshift", split.test).astype(np.float64)

    def blocks() -> Iterator[ScoredBlock]:
        for start in range(0, len(z), BLOCK):
            block = slice(start, start + BLOCK)
            one, truth = np.asarray(flux[block], np.float32), spectra.flux(split.test[block])
            low, high = (
                np.broadcast_to(half.astype(np.float32), one.shape) for half in (half68, half95)
            )
            line = np.full((len(one), len(BLENDS)), np.nan, np.float32)
            yield ScoredBlock(one, low, high, line, line, truth, z[block])

    return score_spectra(blocks(), wavelength=spectra.grid.values)


def measured_colours(galaxies: Galaxies, rows: Rows, *, bands: str) -> Array:
    """Dereddened colours (n, C) of stamps in neighbouring ones of `bands`, largest aperture."""
    index = [BANDS.index(band) for band in bands]
    colours = []
    for images, block in sequential_batches(galaxies, rows, batch_size=BLOCK):
        flux, _, _ = aperture_photometry(images)
        ebv = np.nan_to_num(galaxies.column("ebv", block))[:, None]
        extinction = ebv * np.array(EXTINCTION_PER_EBV)[index]
        colours.append(-np.diff(magnitude(flux[:, -1, index]) - extinction, axis=1))
    return np.concatenate(colours).astype(np.float64)
