"""Spectra that a network made of images, and how wrong they are along the wavelengths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pix2z.evaluation.figures.style import (
    BLUE,
    NEUTRAL,
    VERMILLION,
    columns_for,
    figure_file,
    look,
    panels,
)
from pix2z.wavelengths.lines import BLENDS, LINES

__all__ = ["ShownSpectrum", "plot_error_by_wavelength", "plot_spectra"]

Array = NDArray[np.floating]

WIDTH = 7.2
"""Inches: the width of a printed page's text."""

TICKS = np.arange(1000.0, 30_000.0, 1000.0)
"""Angstrom."""

HEIGHTS = {1: 3.6, 2: 2.5, 3: 2.0}
"""Columns -> height of a row in inches."""

SHOWN_OF_TRUTH = 0.992
"""Quantile of a true spectrum that fits in; the peaks of strong lines would flatten the rest."""

LINE_NAMES = {
    "H alpha": r"H$\alpha$",
    "[O III] 5008": "[O III]",
    "Ca K": "Ca K",
    "[O II] 3727": "[O II]",
    "H beta": r"H$\beta$",
    "Na D": "Na D",
    "Mg 5177": "Mg",
    "[S II] 6718": "[S II]",
    "G band": "G",
    "H delta": r"H$\delta$",
    "H gamma": r"H$\gamma$",
}
"""Lines that carry a name, the most important first: it has the room. Others are ticks."""

BELOW_LINES = 0.70
"""Share of the axes' height, from below, that is left to the spectrum."""

IN_A_ROW = 4
"""Entries of a legend that the width has room for."""

FONT_POINTS = 6.5
POINTS_PER_INCH = 72.0


@dataclass(frozen=True, eq=False)
class ShownSpectrum:
    """One galaxy: truth, if known, reconstruction and half widths of its bands, each (L,).

    z : where lines are marked; NaN for no lines. whole : the reconstruction of all of the galaxy,
    where truth, flux and bands are of what a fibre sees. line95 : (G,) half the 95 % bands at the
    lines of `lines.BLENDS`, which are drawn where redshifts between the two of `line_z` put them.
    """

    title: str
    z: float
    truth: Array | None
    flux: Array
    half68: Array
    half95: Array
    whole: Array | None = None
    line95: Array | None = None
    line_z: tuple[float, float] = (np.nan, np.nan)


def plot_spectra(
    shown: Sequence[ShownSpectrum],
    *,
    wavelength: Array,
    unit: str,
    path: str | Path,
) -> None:
    """Draw spectra with their bands, redshifted lines and, where known, the true spectrum.

    Parameters
    ----------
    shown : one galaxy or more.
    wavelength : (L,) Angstrom.
    unit : of the flux, for the axis.
    """
    rows, columns = columns_for(len(shown), most=2 if len(shown) <= 4 else 3)
    height = rows * HEIGHTS[columns] + 0.7
    with figure_file(path, width=WIDTH, height=height) as figure:
        axes = panels(figure, len(shown), most=columns)
        for panel, one in zip(axes, shown, strict=True):
            _draw_spectrum(panel, one, wavelength, width=WIDTH / columns - 0.4)
            panel.set_title(one.title, fontsize=8.0 if columns < 3 else 7.0)
            panel.set_xticks(TICKS[(wavelength[0] < TICKS) & (wavelength[-1] > TICKS)])
        figure.supxlabel("observed wavelength in vacuum [\u00c5]", fontsize=9.0)
        figure.supylabel(f"flux density [{unit}]", fontsize=9.0)
        named: dict[str, Artist] = {}
        for panel in axes:
            handles, labels = panel.get_legend_handles_labels()
            named |= dict(zip(labels, handles, strict=True))
        across = len(named) if len(named) <= IN_A_ROW else IN_A_ROW - 1
        figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=across)


def plot_error_by_wavelength(
    arms: Mapping[str, Mapping[str, Array]], *, wavelength: Array, path: str | Path
) -> None:
    """Draw RMS error and the share inside the 68 % band along the wavelengths.

    `arms`: name -> ``rmse`` and ``inside68``, each (L,).
    """
    with figure_file(path, width=7.0, height=4.6) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        for name, scores in arms.items():
            style = {k: v for k, v in look(name).items() if k != "marker"}
            smooth = {key: _running_mean(values) for key, values in scores.items()}
            above.plot(wavelength, smooth["rmse"], label=name, **style)
            below.plot(wavelength, 100 * smooth["inside68"], **style)
        below.axhline(68, color="black", linewidth=0.8)
        above.set(ylabel="RMS error, relative to r", ylim=(0, None))
        below.set(ylabel="inside the 68 % band [%]", ylim=(40, 100))
        below.set_xlabel("observed wavelength, vacuum [Angstrom]")
        above.legend(ncols=4)


def _draw_spectrum(panel: Axes, shown: ShownSpectrum, wavelength: Array, *, width: float) -> None:
    """Draw one galaxy; the `width` of the axes in inches decides how many lines carry a name."""
    for half, color, label in (
        (shown.half95, "#cfe3f1", "95 % band"),
        (shown.half68, "#8fbfe0", "68 % band"),
    ):
        low, high = shown.flux - half, shown.flux + half
        panel.fill_between(wavelength, low, high, color=color, linewidth=0, label=label)
    ends = [float(np.quantile(low, 0.002)), float(np.quantile(high, 0.998))]
    _draw_line_bands(panel, shown, wavelength)
    if shown.truth is not None and np.isfinite(shown.truth).any():
        panel.plot(wavelength, shown.truth, color="black", linewidth=0.7, label="spectrum")
        ends += list(np.nanquantile(shown.truth, [0.002, SHOWN_OF_TRUTH]))
    label = "from the images"
    if shown.whole is not None:
        label += ", in the fibre"
        style: dict[str, Any] = {"color": VERMILLION, "linewidth": 0.7, "linestyle": "--"}
        panel.plot(wavelength, shown.whole, label="whole galaxy", **style)
    panel.plot(wavelength, shown.flux, color=VERMILLION, linewidth=1.0, label=label)
    panel.set_ylim(min(0.0, min(ends)), max(ends) / BELOW_LINES)
    panel.set_xlim(wavelength[0], wavelength[-1])
    places = {name: rest * (1 + shown.z) for name, rest in LINES.items()}  # none where z is NaN
    inside = {n: at for n, at in places.items() if wavelength[0] < at < wavelength[-1]}
    _mark_lines(panel, inside, room_for_name=1.15 * FONT_POINTS / POINTS_PER_INCH / width)


def _draw_line_bands(panel: Axes, shown: ShownSpectrum, wavelength: Array) -> None:
    """Draw how high a line may rise, wherever it may be."""
    if shown.line95 is None:
        return
    first, last = (1 + z for z in shown.line_z)
    for rest, half in zip(BLENDS.values(), shown.line95, strict=True):
        there = (wavelength >= min(rest) * first) & (wavelength <= max(rest) * last)
        if there.any() and np.isfinite(half):
            top = np.where(there, shown.flux + half, np.nan)
            style: dict[str, Any] = {"color": BLUE, "linewidth": 0.9, "linestyle": ":"}
            panel.plot(wavelength, top, label="95 % band of lines", **style)


def _mark_lines(panel: Axes, places: Mapping[str, float], *, room_for_name: float) -> None:
    """Mark lines along the top; call it when the limits of the axes stand.

    Parameters
    ----------
    places : name -> observed wavelength, Angstrom, within the axes.
    room_for_name : share of the axes' width; lines that are nearer than that to the ends or to a
        more important line carry no name.
    """
    low, high = panel.get_xlim()
    room = (high - low) * room_for_name
    across = panel.get_xaxis_transform()
    ends = [BELOW_LINES + 0.02, BELOW_LINES + 0.06]
    for place in places.values():
        panel.plot([place] * 2, ends, color=NEUTRAL, lw=0.7, transform=across)
    text: dict[str, Any] = {"fontsize": FONT_POINTS, "rotation": 90, "ha": "center", "va": "bottom"}
    white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
    named: list[float] = []
    for name, label in LINE_NAMES.items():
        place = places.get(name, np.nan)
        inside = low + room / 2 < place < high - room / 2
        if inside and all(abs(place - other) >= room for other in named):
            named.append(place)
            panel.text(place, BELOW_LINES + 0.07, label, transform=across, bbox=white, **text)


def _running_mean(values: Array, width: int = 41) -> Array:
    """Mean over `width` neighbours; shorter at the ends."""
    kernel = np.ones(min(width, len(values)))
    known = np.isfinite(values).astype(np.float64)
    total = np.convolve(np.nan_to_num(values), kernel, mode="same")
    result: Array = total / np.maximum(np.convolve(known, kernel, mode="same"), 1.0)
    return result
