"""Spectra that a network made of images, a panel per galaxy."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from numpy.typing import NDArray

from pix2z.evaluation.figures.spectra import ShownSpectrum, draw_spectrum
from pix2z.evaluation.figures.style import columns_for, figure_file, panels

__all__ = ["plot_reconstructions"]

WIDTH = 7.2
"""Inches: the width of a printed page's text."""

TICKS = np.arange(1000.0, 30_000.0, 1000.0)
"""Angstrom."""

HEIGHTS = {1: 3.6, 2: 2.5, 3: 2.0}
"""Columns -> height of a row in inches."""


def plot_reconstructions(
    shown: Sequence[ShownSpectrum],
    *,
    wavelength: NDArray[np.floating],
    lines: Mapping[str, float],
    unit: str,
    path: str | Path,
) -> None:
    """Draw spectra with their bands, redshifted lines and, where known, the true spectrum.

    Parameters
    ----------
    shown : one galaxy or more.
    wavelength : (L,) Angstrom. lines : name -> vacuum rest wavelength, Angstrom.
    unit : of the flux, for the axis.
    """
    rows, columns = columns_for(len(shown), most=1 if len(shown) == 1 else 2 + (len(shown) > 4))
    height = rows * HEIGHTS[columns] + 0.7
    with figure_file(path, width=WIDTH, height=height) as figure:
        axes = panels(figure, len(shown), most=columns)
        for panel, one in zip(axes, shown, strict=True):
            draw_spectrum(panel, one, wavelength, lines, width=WIDTH / columns - 0.4)
            panel.set_title(one.title, fontsize=8.0 if columns < 3 else 7.0)
            panel.set_xticks(TICKS[(wavelength[0] < TICKS) & (wavelength[-1] > TICKS)])
        figure.supxlabel("observed wavelength in vacuum [\u00c5]", fontsize=9.0)
        figure.supylabel(f"flux density [{unit}]", fontsize=9.0)
        named: dict[str, Artist] = {}
        for panel in axes:
            handles, labels = panel.get_legend_handles_labels()
            named |= dict(zip(labels, handles, strict=True))
        figure.legend(
            list(named.values()), list(named), loc="outside upper center", ncols=len(named)
        )
