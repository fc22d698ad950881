"""How well spectra were reconstructed: errors by galaxy and wavelength, bands, colours, lines.

All fluxes are relative to their photon-weighted mean in r, so an error of 0.05 is 5 % of that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pix2z.sky.filters import band_weights, covered_bands, flux_density_per_nanomaggy
from pix2z.wavelengths.lines import LINES, at_lines, blend_at

__all__ = ["ScoredBlock", "ScoredSpectra", "colours", "line_offsets", "score_spectra"]

Array = NDArray[np.float64]
Flux = NDArray[np.float32]
H_ALPHA = LINES["H alpha"]
"""Angstrom in vacuum, the strongest line of most galaxies in SDSS's range."""
LINE_REACH = 0.06
"""Relative distance from where a line is, within which it is looked for."""
LINE_CONTRAST = 0.15
"""Least height of a line above its surroundings, relative to r, for it to count as seen."""
SMOOTHED_OVER = 0.12
"""Width in ln(wavelength) of the running median that stands for the continuum."""


class ScoredBlock(NamedTuple):
    """Some galaxies: flux, half widths of its bands, and truth, NaN where unknown, each (b, L).

    half68, half95 : NaN of spectra without a band.
    line68, line95 : (b, G) half widths at the lines of `lines.BLENDS`; NaN where a network has none
    of their own. z : (b,) true redshifts.
    """

    flux: Flux
    half68: Flux
    half95: Flux
    line68: Flux
    line95: Flux
    truth: Flux
    z: Array


@dataclass(frozen=True, eq=False)
class ScoredSpectra:
    """One network's spectra of n test galaxies, as `score_spectra` judges them.

    mse, mae : (n,) mean squared and absolute error over wavelengths. inside68, inside95 : (n,)
    share of wavelengths whose true flux is within the band, within 300 km/s of a line in the line's
    own. continuum68, continuum95 : (n,) the same away from lines; half95 : (n,) median half width
    of the continuum's band. lines68, lines95 : (n, G) share of the centres of the lines of each
    blend in their own bands, lines_in_continuum95 in the band of the continuum; line_half95 : (n,
    G) half widths.
    line_offset : (n,) (found - true) / true wavelength of H alpha, NaN where the truth has none to
    find. colours : (n, C) AB magnitudes synthesised from the reconstruction, true_colours from the
    target.
    by_wavelength : ``rmse`` and ``inside68``, (L,), over galaxies with a known flux there.
    """

    mse: Array
    mae: Array
    inside68: Array
    inside95: Array
    continuum68: Array
    continuum95: Array
    half95: Array
    lines68: Array
    lines95: Array
    lines_in_continuum95: Array
    line_half95: Array
    line_offset: Array
    colours: Array
    true_colours: Array
    by_wavelength: Mapping[str, Array]


def score_spectra(blocks: Iterable[ScoredBlock], *, wavelength: Array) -> ScoredSpectra:
    """Judge reconstructions of galaxies in order; memory grows by a few numbers per galaxy."""
    parts: list[dict[str, Array]] = []
    count, squared, within = np.zeros((3, len(wavelength)))
    for block in blocks:
        flux, truth, z = block.flux, block.truth, block.z
        error = flux.astype(np.float64) - truth
        known, blend = np.isfinite(error), blend_at(wavelength, z)
        inside68, inside95 = (
            np.where(known & np.isfinite(half), np.abs(error) <= half, np.nan)
            for half in (
                _with_lines(block.half68, block.line68, blend),
                _with_lines(block.half95, block.line95, blend),
            )
        )
        count += known.sum(axis=0)
        squared += np.nansum(error**2, axis=0)
        within += np.nansum(inside68, axis=0)
        parts.append(
            {
                "mse": _row_mean(error**2),
                "mae": _row_mean(np.abs(error)),
                "inside68": _row_mean(inside68),
                "inside95": _row_mean(inside95),
                "continuum68": _row_mean(np.where(blend < 0, inside68, np.nan)),
                "continuum95": _row_mean(np.where(blend < 0, inside95, np.nan)),
                "half95": np.median(block.half95, axis=1),
                **_line_shares(block, np.abs(error), wavelength),
                "line_offset": line_offsets(flux, truth, z, wavelength=wavelength),
                "colours": colours(flux, wavelength),
                "true_colours": colours(truth, wavelength),
            }
        )
    joined: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    count = np.maximum(count, 1)
    by_wavelength = {"rmse": np.sqrt(squared / count), "inside68": within / count}
    return ScoredSpectra(**joined, by_wavelength=by_wavelength)


def _with_lines(half: Flux, at_line: Flux, blend: NDArray[np.int8]) -> Flux:
    """Half widths (b, L) of the band: those at lines (b, G) where there is one, and it has some."""
    there = np.take_along_axis(at_line, np.maximum(blend, 0), axis=1)
    return np.where((blend >= 0) & np.isfinite(there), there, half)


def _line_shares(block: ScoredBlock, error: Array, wavelength: Array) -> dict[str, Array]:
    """Shares (b, G) of the lines of each blend that lie in bands, absolute errors given."""
    of_lines = at_lines(error, wavelength, block.z)
    there, halves = np.isfinite(of_lines), at_lines(block.half95, wavelength, block.z)

    def share(half: NDArray[np.floating]) -> Array:
        inside = np.where(there & np.isfinite(half), of_lines <= half, np.nan)
        return _row_mean(inside.reshape(-1, inside.shape[2])).reshape(inside.shape[:2])

    return {
        "lines68": share(block.line68[..., None]),
        "lines95": share(block.line95[..., None]),
        "lines_in_continuum95": share(halves),
        "line_half95": np.where(there.any(axis=2), block.line95, np.nan),
    }


def colours(flux: Flux, wavelength: Array) -> Array:
    """Differences (n, C) of SDSS magnitudes in neighbouring bands of those that are covered.

    Unknown wavelengths count as the mean of the known ones; NaN where a mean is not positive.
    """
    known = np.isfinite(flux)
    filled = np.where(known, flux, 0.0)
    magnitudes = []
    for band in covered_bands(wavelength):
        weights = band_weights(wavelength, band)
        mean = (filled @ weights) / np.maximum(known @ weights, 1e-9)
        nanomaggies = mean / flux_density_per_nanomaggy(band)
        magnitudes.append(-2.5 * np.log10(np.where(mean > 0, nanomaggies, np.nan)))
    return -np.diff(np.stack(magnitudes, axis=1), axis=1)


def line_offsets(flux: Flux, truth: Flux, z: Array, *, wavelength: Array) -> Array:
    """Relative offset (n,) of H alpha's highest point in the reconstruction from where it is.

    Both spectra are taken above a running median; NaN where the true line is too weak or near an
    end of the wavelengths, infinite where the reconstruction shows no line within reach.
    """
    step = np.log(wavelength[1] / wavelength[0])
    offsets = np.full(len(flux), np.nan)
    for row, one in enumerate(z):
        place = float(np.log(H_ALPHA * (1 + one) / wavelength[0]) / step)
        reach = int(LINE_REACH / step)
        first, last = int(place) - reach, int(place) + reach + 1
        if first < 0 or last > len(wavelength) or not np.isfinite(truth[row, first:last]).all():
            continue
        true_line = _above_continuum(truth[row], first, last, step)
        if true_line[int(round(place)) - first] < LINE_CONTRAST:
            continue
        line = _above_continuum(flux[row], first, last, step)
        peak = int(np.argmax(line))
        at_end = peak in (0, len(line) - 1)
        offsets[row] = np.inf if at_end else np.expm1((first + peak - place) * step)
    return offsets


def _above_continuum(flux: Flux, first: int, last: int, step: float) -> Array:
    """Flux from `first` to `last` less a straight line through the medians on both sides."""
    wide = int(SMOOTHED_OVER / step / 4)
    left = flux[max(first - wide, 0) : first + wide]
    right = flux[last - wide : last + wide]
    ends = np.nanmedian(left), np.nanmedian(right)
    line = np.linspace(*ends, last - first)
    return np.asarray(flux[first:last] - line, np.float64)


def _row_mean(values: Array) -> Array:
    """Mean (n,) over the wavelengths that are known; NaN where none is."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    mean = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return np.asarray(mean)
