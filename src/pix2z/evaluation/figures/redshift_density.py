"""z_phot against z_spec as a density, one panel per arm."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from pix2z.evaluation.figures.style import columns_for, figure_file, panels
from pix2z.evaluation.point_metrics import point_metrics

__all__ = ["plot_redshift_density"]

Array = NDArray[np.float64]


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
    rows, columns = columns_for(len(arms))
    edges = np.linspace(0.0, z_max, 81)
    counts = {arm: np.histogram2d(z[1], z[0], bins=(edges, edges))[0] for arm, z in arms.items()}
    norm = LogNorm(vmin=1, vmax=max(2.0, *(float(found.max()) for found in counts.values())))
    with figure_file(path, width=2.55 * columns + 0.9, height=2.55 * rows + 0.4) as figure:
        axes_list = panels(figure, len(arms), shared=True)
        for position, (arm, (z_phot, z_spec)) in enumerate(arms.items()):
            axes = axes_list[position]
            shown = np.ma.masked_equal(counts[arm].T, 0)
            mesh = axes.pcolormesh(edges, edges, shown, norm=norm, cmap="viridis", rasterized=True)
            _guides(axes, clip_window, z_max)
            found = point_metrics(z_phot, z_spec)
            text = f"NMAD {found['nmad']:.4f}\n|Δ| > 0.05: {100 * found['outlier_005']:.1f} %"
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
    axes.set_xlim(0, z_max)
    axes.set_ylim(0, z_max)
    ticks = np.arange(0, z_max + 1e-9, 0.1)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
