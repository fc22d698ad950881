"""|z_phot - z_spec| against z_spec as a heat map with its marginal distributions."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from pix2z.evaluation.figures.style import figure_file, look, shade_outside

__all__ = ["plot_error_heatmap"]

Array = NDArray[np.float64]


def plot_error_heatmap(
    z_phot: Array,
    z_spec: Array,
    *,
    arm: str,
    clip_window: tuple[float, float],
    z_max: float,
    path: str | Path,
) -> None:
    """Draw absolute errors (n,), in redshift, against z_spec (n,), with marginals and a median."""
    error = np.abs(z_phot - z_spec)
    top = max(0.02, float(np.percentile(error, 99.5)))
    z_edges, error_edges = np.linspace(0, z_max, 61), np.linspace(0, top, 41)
    color = look(arm)["color"]
    with figure_file(path, width=8.0, height=4.9) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(6, 1), height_ratios=(1, 4))
        main = figure.add_subplot(grid[1, 0])
        above = figure.add_subplot(grid[0, 0], sharex=main)
        beside = figure.add_subplot(grid[1, 1], sharey=main)
        counts = np.histogram2d(z_spec, np.minimum(error, top), bins=(z_edges, error_edges))[0]
        mesh = main.pcolormesh(
            z_edges,
            error_edges,
            np.ma.masked_equal(counts.T, 0),
            norm=LogNorm(vmin=1, vmax=max(2.0, float(counts.max()))),
            cmap="viridis",
            rasterized=True,
        )
        _running_median(main, z_spec, error, z_max)
        main.set_xlabel("spectroscopic redshift")
        main.set_ylabel("|z_phot - z_spec|, in redshift")
        main.set_xlim(0, z_max)
        main.set_ylim(0, top)
        main.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="none")
        above.stairs(np.histogram(z_spec, z_edges)[0], z_edges, fill=True, color=color, alpha=0.8)
        beside.stairs(
            np.histogram(error, error_edges)[0],
            error_edges,
            orientation="horizontal",
            fill=True,
            color=color,
            alpha=0.8,
        )
        for axes in (main, above):
            shade_outside(axes, clip_window)
        above.set_ylabel("galaxies")
        beside.set_xlabel("galaxies")
        above.tick_params(labelbottom=False)
        beside.tick_params(labelleft=False)
        above.set_title(f"{arm}: absolute error against redshift; shaded: outside the clip window")
        figure.colorbar(mesh, ax=beside, label="galaxies per cell", aspect=30)


def _running_median(axes: Axes, z_spec: Array, error: Array, z_max: float) -> None:
    """Median error in bins of 0.02, at bin centres, where a bin has 8 galaxies."""
    edges = np.arange(0, z_max + 0.0201, 0.02)
    number = np.digitize(z_spec, edges) - 1
    filled = [index for index in range(len(edges) - 1) if np.count_nonzero(number == index) >= 8]
    centres = [(edges[index] + edges[index + 1]) / 2 for index in filled]
    medians = [np.median(error[number == index]) for index in filled]
    axes.plot(centres, medians, color="#D55E00", marker="o", label="median in bins of 0.02")
