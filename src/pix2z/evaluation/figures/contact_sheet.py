"""A contact sheet of test galaxies: random ones, the best and the worst measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pix2z.evaluation.figures.style import figure_file

__all__ = ["SheetRow", "plot_contact_sheet", "rgb"]

STRETCH, SOFTENING = 0.6, 6.0
"""Surface brightness, nanomaggies per pixel, shown as white before compression; asinh softening."""

BAND_SCALE = (0.7, 1.0, 1.6)
"""Weights of i, r, g as red, green, blue, so that a mean galaxy looks neither red nor blue."""


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One row of the sheet: stamps (n, 32, 32, 5) with their redshifts (n,), and 68 % limits."""

    title: str
    images: NDArray[np.float32]
    z_spec: NDArray[np.float64]
    z_phot: NDArray[np.float64]
    z_low: NDArray[np.float64]
    z_high: NDArray[np.float64]


def rgb(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn stamps (n, 32, 32, 5), ugriz in nanomaggies, into gri colour images in [0, 1].

    All bands are compressed by the asinh of their mean, which keeps colours (Lupton et al. 2004,
    PASP 116, 133). Masked (NaN) pixels are black.
    """
    bands = np.nan_to_num(np.asarray(images, np.float64)[..., [3, 2, 1]]) * np.array(BAND_SCALE)
    mean = np.maximum(bands.mean(axis=-1, keepdims=True), 1e-6)
    compressed = np.arcsinh(SOFTENING * mean / STRETCH) / np.arcsinh(SOFTENING * 4)
    colour = np.clip(bands, 0, None) * (compressed / mean)
    return np.asarray(colour / np.maximum(colour.max(axis=-1, keepdims=True), 1.0))


def plot_contact_sheet(rows: Sequence[SheetRow], path: str | Path) -> None:
    """Draw one row of stamps per group, with z_spec, z_phot and its 68 % interval below each."""
    columns = max(len(row.images) for row in rows)
    with figure_file(path, width=1.12 * columns + 0.2, height=1.5 * len(rows) + 0.1) as figure:
        parts = np.ravel(figure.subfigures(len(rows), 1, squeeze=False))
        for part, row in zip(parts, rows, strict=True):
            part.suptitle(row.title, fontsize=9, x=0.01, ha="left", fontweight="bold")
            axes = part.subplots(1, columns, squeeze=False)[0]
            colours = rgb(row.images)
            for position in range(columns):
                _stamp(axes[position], row, colours, position)


def _stamp(axes: Axes, row: SheetRow, colours: NDArray[np.float64], position: int) -> None:
    axes.set_axis_off()
    if position >= len(colours):
        return
    axes.imshow(colours[position], origin="lower", interpolation="nearest")
    half = (row.z_high[position] - row.z_low[position]) / 2
    text = f"spec {row.z_spec[position]:.3f}\nphot {row.z_phot[position]:.3f} ± {half:.3f}"
    axes.text(0.5, -0.04, text, transform=axes.transAxes, ha="center", va="top", fontsize=7)
