"""Reconstructed spectra against true ones, and how wrong they are along the wavelengths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pix2z.evaluation.figures.spectral_lines import BELOW_LINES, mark_lines
from pix2z.evaluation.figures.style import NEUTRAL, figure_file, look

__all__ = [
    "ShownSpectrum",
    "draw_spectrum",
    "plot_error_by_wavelength",
    "plot_spectra",
    "plot_ways",
]

Array = NDArray[np.floating]

PANEL_INCHES = 2.8
"""Width of the axes in a figure of several spectra."""

SHOWN_OF_TRUTH = 0.992
"""Quantile of a true spectrum that fits in; the peaks of strong lines would flatten the rest."""


@dataclass(frozen=True, eq=False)
class ShownSpectrum:
    """One galaxy: truth, if known, reconstruction and half widths of its bands, each (L,).

    z : where lines are marked; NaN for no lines.
    """

    title: str
    z: float
    truth: Array | None
    flux: Array
    half68: Array
    half95: Array


def plot_spectra(
    groups: Mapping[str, Sequence[ShownSpectrum]],
    *,
    wavelength: Array,
    lines: Mapping[str, float],
    unit: str,
    path: str | Path,
) -> None:
    """Draw a row of panels per group: true and reconstructed spectrum, band, redshifted lines.

    Parameters
    ----------
    wavelength : (L,) Angstrom. lines : name -> vacuum rest wavelength, Angstrom.
    unit : of the flux, for the axis.
    """
    columns = max(len(shown) for shown in groups.values())
    with figure_file(path, width=3.3 * columns + 0.5, height=2.3 * len(groups) + 0.5) as figure:
        axes = figure.subplots(len(groups), columns, squeeze=False, sharex=True)
        for row, (name, shown) in enumerate(groups.items()):
            for column in range(columns):
                panel = axes[row, column]
                if column >= len(shown):
                    panel.set_visible(False)
                    continue
                draw_spectrum(panel, shown[column], wavelength, lines, width=PANEL_INCHES)
                panel.set_title(f"{name}: {shown[column].title}", fontsize=8.0)
            axes[row, 0].set_ylabel(f"flux density\n[{unit}]", fontsize=8.0)
        for panel in axes[-1]:
            panel.set_xlabel("observed wavelength, vacuum [Angstrom]")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4)


def plot_error_by_wavelength(
    arms: Mapping[str, Mapping[str, Array]], *, wavelength: Array, path: str | Path
) -> None:
    """Draw RMS error and the share inside the 68 % band along the wavelengths.

    Parameters
    ----------
    arms : name -> ``rmse``, ``half68`` and ``inside68``, each (L,).
    """
    with figure_file(path, width=7.0, height=4.6) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        for name, scores in arms.items():
            style = {k: v for k, v in look(name).items() if k != "marker"}
            smooth = {key: _running_mean(values) for key, values in scores.items()}
            above.plot(wavelength, smooth["rmse"], label=name, **style)
            below.plot(wavelength, 100 * smooth["inside68"], **style)
        below.axhline(68, color="black", linewidth=0.8)
        above.set_ylabel("RMS error, relative to r")
        above.set_ylim(bottom=0)
        below.set_ylabel("inside the 68 % band [%]")
        below.set_ylim(40, 100)
        below.set_xlabel("observed wavelength, vacuum [Angstrom]")
        above.legend(ncols=4)


def plot_ways(ways: Mapping[str, tuple[Array, Array]], *, z_max: float, path: str | Path) -> None:
    """Draw photometric against spectroscopic redshift for every way to a redshift.

    Parameters
    ----------
    ways : name -> (z_phot, z_spec), each (n,).
    """
    columns = min(len(ways), 4)
    rows = -(-len(ways) // columns)
    with figure_file(path, width=2.5 * columns + 0.4, height=2.7 * rows + 0.3) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for panel, (name, (z_phot, z_spec)) in zip(axes.flat, ways.items(), strict=False):
            panel.plot(z_spec, z_phot, ".", markersize=1.5, alpha=0.5, color="#0072B2")
            ends = np.array([0.0, z_max])
            panel.plot(ends, ends, color="black", linewidth=0.8)
            for sign in (-1, 1):
                panel.plot(ends, ends + sign * 0.05 * (1 + ends), "--", color=NEUTRAL, lw=0.7)
            panel.set_title(name)
            panel.set_xlim(0, z_max)
            panel.set_ylim(0, z_max)
        for spare in axes.flat[len(ways) :]:
            spare.set_visible(False)
        for panel in axes[:, 0]:
            panel.set_ylabel("photometric redshift")
        for panel in axes[-1]:
            panel.set_xlabel("spectroscopic redshift")


def draw_spectrum(
    panel: Axes,
    shown: ShownSpectrum,
    wavelength: Array,
    lines: Mapping[str, float],
    *,
    width: float,
) -> None:
    """Draw reconstruction, bands, truth and redshifted lines of one galaxy.

    Parameters
    ----------
    wavelength : (L,) Angstrom. lines : name -> vacuum rest wavelength, Angstrom.
    width : of the axes in inches, which decides how many lines can carry a name.
    """
    low, high = shown.flux - shown.half95, shown.flux + shown.half95
    panel.fill_between(wavelength, low, high, color="#cfe3f1", linewidth=0, label="95 % band")
    low, high = shown.flux - shown.half68, shown.flux + shown.half68
    panel.fill_between(wavelength, low, high, color="#8fbfe0", linewidth=0, label="68 % band")
    ends = [float(np.quantile(low, 0.002)), float(np.quantile(high, 0.998))]
    if shown.truth is not None and np.isfinite(shown.truth).any():
        panel.plot(wavelength, shown.truth, color="black", linewidth=0.7, label="spectrum")
        ends += list(np.nanquantile(shown.truth, [0.002, SHOWN_OF_TRUTH]))
    panel.plot(wavelength, shown.flux, color="#D55E00", linewidth=1.0, label="from the images")
    panel.set_ylim(min(0.0, min(ends)), max(ends) / BELOW_LINES)
    panel.set_xlim(wavelength[0], wavelength[-1])
    mark_lines(panel, lines, z=shown.z, width=width)


def _running_mean(values: Array, width: int = 41) -> Array:
    """Mean over `width` neighbours; shorter at the ends."""
    kernel = np.ones(min(width, len(values)))
    known = np.isfinite(values).astype(np.float64)
    total = np.convolve(np.nan_to_num(values), kernel, mode="same")
    result: Array = total / np.maximum(np.convolve(known, kernel, mode="same"), 1.0)
    return result
