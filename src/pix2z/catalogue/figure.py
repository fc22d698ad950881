"""The figure of ``pix2z predict --plot``: what a table of redshifts looks like."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from pix2z.catalogue.overview import DOUBTFUL_ERROR, N_SHOWN, Overview
from pix2z.evaluation.figures.style import BLUE, NEUTRAL, VERMILLION, columns_for, figure_file

__all__ = ["plot_overview"]

MOST_POINTS = 500
"""Galaxies that are drawn one by one."""


def plot_overview(overview: Overview, z_spec: NDArray[Any], path: str | Path) -> None:
    """Draw n(z), redshifts against known ones or else their errors, and some PDFs.

    z_spec : (N,) spectroscopic redshifts, NaN where unknown.
    """
    with figure_file(path, width=9.0, height=7.6) as figure:
        halves: Any = figure.subfigures(2, 1, height_ratios=(1.1, 1.0))
        above, below = halves
        left, right = above.subplots(1, 2)
        _spread(left, overview, z_spec)
        if np.isfinite(z_spec).any():
            _against_known(right, overview, z_spec)
        else:
            _errors(right, overview)
        drawn = sorted(overview.shown.items())
        panels = below.subplots(*columns_for(len(drawn) or N_SHOWN), squeeze=False).ravel()
        for axes, (row, density) in zip(panels, drawn, strict=False):
            _pdf(axes, overview, row, density, float(z_spec[row]))
        for spare in panels[len(drawn) :]:
            spare.set_visible(False)
        dashed = ", dashed line: known redshift" if np.isfinite(z_spec).any() else ""
        below.suptitle(f"galaxies from all over the file; line: estimate{dashed}", fontsize=9)
        below.supxlabel("redshift", fontsize=9)
        below.supylabel("probability per unit redshift", fontsize=9)


def _spread(axes: Axes, overview: Overview, z_spec: NDArray[Any]) -> None:
    """How galaxies are spread: mean PDF, point estimates, and known redshifts."""
    grid = overview.grid
    edges = np.linspace(grid.z_min, grid.z_max, 41)
    for z, label, color, line in (
        (overview.z_phot, "point estimates", BLUE, "-"),
        (z_spec, "known redshifts", VERMILLION, "--"),
    ):
        inside = z[np.isfinite(z) & (z >= edges[0]) & (z <= edges[-1])]
        if len(inside):
            density, _ = np.histogram(inside, edges, density=True)
            words = f"{label} (n = {len(inside):,})"
            axes.stairs(density, edges, color=color, linestyle=line, label=words)
    axes.plot(grid.centres, overview.mean_density, color=NEUTRAL, label="mean of all PDFs")
    axes.set_xlim(grid.z_min, grid.z_max)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("redshift")
    axes.set_ylabel("galaxies per unit redshift, normalised")
    axes.set_title("n(z)")
    axes.legend()


def _against_known(axes: Axes, overview: Overview, z_spec: NDArray[Any]) -> None:
    both = np.isfinite(z_spec) & np.isfinite(overview.z_phot)
    grid = overview.grid
    span = (grid.z_min, grid.z_max)
    line = np.array(span)
    _cells(axes, z_spec[both], overview.z_phot[both], span, span)
    axes.plot(line, line, color="black", linewidth=0.8)
    for sign in (-1, 1):
        limit = line + sign * DOUBTFUL_ERROR * (1 + line)
        axes.plot(line, limit, color="black", linewidth=0.7, linestyle="--")
    axes.set(xlim=span, ylim=span, xlabel="known redshift", ylabel="estimated redshift")
    axes.set_title(f"{int(both.sum()):,} known redshifts; dashed: |dz| = 0.05 (1 + z)")


def _errors(axes: Axes, overview: Overview) -> None:
    known = np.isfinite(overview.error)
    z, error = overview.z_phot[known], overview.error[known]
    top = max(0.02, 1.05 * float(np.percentile(error, 99.5))) if len(error) else 0.02
    span = (overview.grid.z_min, overview.grid.z_max)
    _cells(axes, z, error, span, (0.0, top))
    axes.set(xlim=span, ylim=(0, top), xlabel="estimated redshift")
    axes.set_ylabel("error: half of the central 68 %")
    axes.set_title("errors; the file has no redshifts to compare with")


def _cells(
    axes: Axes,
    x: NDArray[Any],
    y: NDArray[Any],
    x_span: tuple[float, float],
    y_span: tuple[float, float],
) -> None:
    """Draw points, or many as cells coloured by how many; those outside are put on the edge."""
    x, y = np.clip(x, *x_span), np.clip(y, *y_span)
    if len(x) <= MOST_POINTS:
        axes.plot(x, y, "o", color=BLUE, alpha=0.6)
        return
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=60, range=(x_span, y_span))
    shown = np.ma.masked_equal(counts.T, 0)
    norm = LogNorm(vmin=1, vmax=max(2.0, float(counts.max())))
    cells = axes.pcolormesh(x_edges, y_edges, shown, norm=norm, cmap="viridis", rasterized=True)
    figure: Any = axes.get_figure()
    figure.colorbar(cells, ax=axes, label="galaxies per cell")


def _pdf(
    axes: Axes, overview: Overview, row: int, density: NDArray[np.float64], z_spec: float
) -> None:
    """One galaxy: its PDF, its estimate with the central 68 %, its known redshift if any."""
    grid, z, error = overview.grid, overview.z_phot[row], overview.error[row]
    axes.fill_between(grid.centres, density, step="mid", color=BLUE, alpha=0.3, linewidth=0)
    axes.axvline(z, color=BLUE)
    if np.isfinite(z_spec):
        axes.axvline(z_spec, color=VERMILLION, linestyle="--")
    axes.set_title(f"row {row:,}: {z:.3f} ± {error:.3f}")
    axes.set_xlim(grid.z_min, grid.z_max)
    axes.set_ylim(bottom=0)
