"""How well spectra were reconstructed: errors by galaxy and wavelength, bands, colours, lines.

All fluxes are relative to their photon-weighted mean in r, so an error of 0.05 is 5 % of that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GalaxyScores", "ScoredSpectra", "WavelengthScores", "line_offsets", "score_spectra"]

Array = NDArray[np.float64]
Flux = NDArray[np.float32]

H_ALPHA = 6564.614
"""Angstrom in vacuum, the strongest line of most galaxies in SDSS's range."""
LINE_REACH = 0.06
"""Relative distance from where a line is, within which it is looked for."""
LINE_CONTRAST = 0.15
"""Least height of a line above its surroundings, relative to r, for it to count as seen."""
SMOOTHED_OVER = 0.12
"""Width in ln(wavelength) of the running median that stands for the continuum."""


@dataclass(frozen=True, eq=False)
class GalaxyScores:
    """Per galaxy, (n,).

    mse, mae : mean squared and absolute error over wavelengths. inside68, inside95 : share of
    wavelengths whose true flux is within the band. line_offset : (found - true) / true wavelength
    of H alpha, NaN where the truth has none to find. colours : (n, C) AB magnitudes synthesised
    from the reconstruction, true_colours from the target.
    """

    mse: Array
    mae: Array
    inside68: Array
    inside95: Array
    line_offset: Array
    colours: Array
    true_colours: Array


@dataclass(frozen=True, eq=False)
class WavelengthScores:
    """Per wavelength, (L,): over galaxies with a known flux there."""

    rmse: Array
    bias: Array
    inside68: Array
    inside95: Array
    half68: Array
    """Mean half width of the 68 % band."""


@dataclass(frozen=True, eq=False)
class ScoredSpectra:
    """One network's spectra of the test galaxies, as `score_spectra` judges them."""

    galaxies: GalaxyScores
    wavelengths: WavelengthScores


@dataclass
class _Sums:
    """Running sums (L,) over galaxies."""

    n: int
    total: dict[str, Array] = field(default_factory=dict)

    def add(self, name: str, values: Array) -> None:
        self.total[name] = self.total.get(name, np.zeros(self.n)) + np.nansum(values, axis=0)


def score_spectra(
    blocks: Iterable[tuple[Flux, Flux, Flux, Flux, Array]],
    *,
    wavelength: Array,
    bands: Mapping[str, tuple[Array, float]],
) -> ScoredSpectra:
    """Judge reconstructions that come in blocks; memory grows by a few numbers per galaxy.

    Parameters
    ----------
    blocks : (flux, half 68 % band, half 95 % band, true flux), each (b, L), and redshifts (b,).
        NaN where the true flux is unknown.
    bands : band -> its weights (L,), and the flux density of one nanomaggy: bands in order, whose
        differences are the colours.
    """
    parts: list[GalaxyScores] = []
    sums = _Sums(len(wavelength))
    for flux, half68, half95, truth, z in blocks:
        error = flux.astype(np.float64) - truth
        known = np.isfinite(error)
        inside = [np.where(known, np.abs(error) <= half, np.nan) for half in (half68, half95)]
        for name, values in (
            ("n", known.astype(np.float64)),
            ("squared", error**2),
            ("error", error),
            ("inside68", inside[0]),
            ("inside95", inside[1]),
            ("half68", np.where(known, half68, np.nan)),
        ):
            sums.add(name, values)
        parts.append(
            GalaxyScores(
                mse=_row_mean(error**2),
                mae=_row_mean(np.abs(error)),
                inside68=_row_mean(inside[0]),
                inside95=_row_mean(inside[1]),
                line_offset=line_offsets(flux, truth, z, wavelength=wavelength),
                colours=colours(flux, bands),
                true_colours=colours(truth, bands),
            )
        )
    count = np.maximum(sums.total["n"], 1)
    mean = {name: total / count for name, total in sums.total.items()}
    return ScoredSpectra(
        galaxies=_joined(parts),
        wavelengths=WavelengthScores(
            rmse=np.sqrt(mean["squared"]),
            bias=mean["error"],
            inside68=mean["inside68"],
            inside95=mean["inside95"],
            half68=mean["half68"],
        ),
    )


def colours(flux: Flux, bands: Mapping[str, tuple[Array, float]]) -> Array:
    """Differences (n, B - 1) of magnitudes in neighbouring bands, in the system of the nanomaggy.

    Unknown wavelengths count as the mean of the known ones; NaN where a mean is not positive.
    """
    known = np.isfinite(flux)
    filled = np.where(known, flux, 0.0)
    magnitudes = []
    for weights, per_nanomaggy in bands.values():
        mean = (filled @ weights) / np.maximum(known @ weights, 1e-9) / per_nanomaggy
        magnitudes.append(-2.5 * np.log10(np.where(mean > 0, mean, np.nan)))
    result: Array = -np.diff(np.stack(magnitudes, axis=1), axis=1)
    return result


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
    mean: Array = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return mean


def _joined(parts: list[GalaxyScores]) -> GalaxyScores:
    columns: dict[str, Any] = {
        entry.name: np.concatenate([getattr(part, entry.name) for part in parts])
        for entry in fields(GalaxyScores)
    }
    return GalaxyScores(**columns)
