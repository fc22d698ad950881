"""Photometric against spectroscopic redshifts, errors along them, and how redshifts are spread."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from numpy.typing import NDArray
from scipy import stats

from pix2z.evaluation.figures.style import (
    VERMILLION,
    columns_for,
    figure_file,
    look,
    panels,
    shade_outside,
)
from pix2z.evaluation.point_metrics import point_metrics

__all__ = ["plot_error_heatmap", "plot_redshift_density", "plot_redshift_histogram", "top_error"]

Array = NDArray[np.floating]


def plot_redshift_density(
    arms: Mapping[str, tuple[Array, Array]],
    *,
    clip_window: tuple[float, float],
    z_max: float,
    path: str | Path,
) -> None:
    """Draw z_phot against z_spec of each arm, (z_phot (n,), z_spec (n,)), all on one colour scale.

    The line is equality, the dashed lines the outlier limit ``|dz| = 0.05 (1 + z)``, the dotted
    lines the clip window.
    """
    most = 2 if len(arms) == 4 else 3
    rows, columns = columns_for(len(arms), most=most)
    edges = np.linspace(0.0, z_max, 81)
    counts = {arm: np.histogram2d(z[1], z[0], bins=(edges, edges))[0] for arm, z in arms.items()}
    norm = _log_norm(*counts.values())
    with figure_file(path, width=2.55 * columns + 0.9, height=2.55 * rows + 0.4) as figure:
        axes_list = panels(figure, len(arms), most=most, shared=True)
        for position, (arm, (z_phot, z_spec)) in enumerate(arms.items()):
            axes = axes_list[position]
            mesh = _mesh(axes, edges, edges, counts[arm], norm)
            _guides(axes, clip_window, z_max)
            measured = point_metrics(z_phot, z_spec)
            text = f"NMAD {measured['nmad']:.4f}\n|Δ| > 0.05: {100 * measured['outlier_005']:.1f} %"
            axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8)
            axes.set_title(arm)
            axes.set_aspect("equal")
            # The lowest axes of each column carry the labels, also where the last row is short.
            axes.tick_params(labelbottom=position + columns >= len(arms))
        figure.supxlabel("spectroscopic redshift", fontsize=9)
        figure.supylabel("photometric redshift", fontsize=9)
        figure.colorbar(mesh, ax=axes_list, label="galaxies per cell", shrink=0.8, aspect=30)


def _guides(axes: Axes, clip_window: tuple[float, float], z_max: float) -> None:
    z = np.array([0.0, z_max])
    axes.plot(z, z, color="black", linewidth=0.8)
    for sign in (-1, 1):
        axes.plot(z, z + sign * 0.05 * (1 + z), color="black", linewidth=0.7, linestyle="--")
    for edge in clip_window:
        if 0 < edge < z_max:
            axes.axvline(edge, color="black", linewidth=0.8, linestyle=":")
    ticks = np.arange(0, z_max + 1e-9, 0.1)
    axes.set(xlim=(0, z_max), ylim=(0, z_max), xticks=ticks, yticks=ticks)


def top_error(points: Iterable[tuple[Array, Array]]) -> float:
    """Error that at most one in 200 exceeds of any (z_phot (n,), z_spec (n,)); at least 0.02."""
    return max(0.02, *(float(np.percentile(np.abs(p - s), 99.5)) for p, s in points))


def plot_error_heatmap(
    z_phot: Array,
    z_spec: Array,
    *,
    arm: str,
    clip_window: tuple[float, float],
    z_max: float,
    top: float,
    path: str | Path,
) -> None:
    """Draw absolute errors (n,), in redshift, against z_spec (n,), with marginals and a median.

    Errors above `top`, see `top_error`, are drawn there.
    """
    error = np.abs(z_phot - z_spec)
    z_edges, error_edges = np.linspace(0, z_max, 61), np.linspace(0, top, 41)
    bars: dict[str, Any] = {"fill": True, "color": look(arm)["color"], "alpha": 0.8}
    with figure_file(path, width=8.0, height=4.9) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(6, 1), height_ratios=(1, 4))
        main = figure.add_subplot(grid[1, 0])
        above = figure.add_subplot(grid[0, 0], sharex=main)
        beside = figure.add_subplot(grid[1, 1], sharey=main)
        counts = np.histogram2d(z_spec, np.minimum(error, top), bins=(z_edges, error_edges))[0]
        mesh = _mesh(main, z_edges, error_edges, counts, _log_norm(counts))
        _running_median(main, z_spec, error, z_max)
        main.set(xlabel="spectroscopic redshift", ylabel="|z_phot - z_spec|, in redshift")
        main.set(xlim=(0, z_max), ylim=(0, top))
        above.stairs(np.histogram(z_spec, z_edges)[0], z_edges, **bars)
        errors = np.histogram(error, error_edges)[0]
        beside.stairs(errors, error_edges, orientation="horizontal", **bars)
        for axes in (main, above):
            shade_outside(axes, clip_window)
        above.set_ylabel("galaxies")
        beside.set_xlabel("galaxies")
        above.tick_params(labelbottom=False)
        beside.tick_params(labelleft=False)
        above.set_title(f"{arm}; line: median; shaded: outside the clip window")
        figure.colorbar(mesh, ax=beside, label="galaxies per cell", aspect=30)


def _log_norm(*counts: Array) -> LogNorm:
    return LogNorm(vmin=1, vmax=max(2.0, *(float(cells.max()) for cells in counts)))


def _mesh(axes: Axes, x_edges: Array, y_edges: Array, counts: Array, norm: LogNorm) -> QuadMesh:
    """Colour cells by their counts (X, Y); empty ones stay white."""
    shown = np.ma.masked_equal(counts.T, 0)
    return axes.pcolormesh(x_edges, y_edges, shown, norm=norm, cmap="viridis", rasterized=True)


def _running_median(axes: Axes, z_spec: Array, error: Array, z_max: float) -> None:
    """Median error in bins of 0.02, at bin centres, where a bin has 8 galaxies."""
    edges = np.arange(0, z_max + 0.0201, 0.02)
    medians = stats.binned_statistic(z_spec, error, "median", edges)[0]
    filled = np.histogram(z_spec, edges)[0] >= 8
    centres = (edges[:-1] + edges[1:]) / 2
    axes.plot(centres[filled], medians[filled], color=VERMILLION, marker="o")


def plot_redshift_histogram(
    samples: Mapping[str, Array],
    *,
    clip_window: tuple[float, float],
    z_max: float,
    path: str | Path,
) -> None:
    """Draw the redshift distribution of each named sample (n,), each normalised to its size."""
    edges = np.linspace(0.0, z_max, 41)
    with figure_file(path, width=8.0, height=3.8) as figure:
        axes = figure.subplots()
        for name, z in samples.items():
            density, _ = np.histogram(z, bins=edges, density=True)
            style = {key: look(name)[key] for key in ("color", "linestyle")}
            axes.stairs(density, edges, **style, linewidth=1.8, label=f"{name} (n = {len(z):,})")
        axes.set(xlim=(0.0, z_max), ylim=(0.0, None))
        axes.set(xlabel="spectroscopic redshift", ylabel="galaxies per unit redshift, normalised")
        shade_outside(axes, clip_window, label="outside the clip window")
        axes.legend(loc="upper right", frameon=True, framealpha=1.0, edgecolor="none")
