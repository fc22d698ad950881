"""Bias, NMAD and CRPS against z_spec, z_phot and r magnitude, with bootstrap bands."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pix2z.evaluation.figures.style import figure_file, look, shade_outside

__all__ = ["plot_binned_metrics"]

VARIABLES = {
    "z_spec": "spectroscopic redshift",
    "z_phot": "photometric redshift",
    "mag_r": "r magnitude of the stamp (AB)",
}
ROWS = {"bias_mean": "mean Δ", "nmad": "NMAD of Δ", "crps": "CRPS, in redshift"}

Bins = Sequence[Mapping[str, Any]]


def plot_binned_metrics(
    arms: Mapping[str, Mapping[str, Bins]],
    *,
    clip_window: tuple[float, float],
    path: str | Path,
) -> None:
    """Draw each arm's binned metrics at bin centres; bands are 95 % intervals over groups.

    `arms`: arm -> variable -> bins, as `pix2z.evaluation.binned.binned_metrics` gives them.
    """
    with figure_file(path, width=8.4, height=6.8) as figure:
        grid = figure.subplots(len(ROWS), len(VARIABLES), sharex="col", sharey="row")
        for row, (metric, label) in enumerate(ROWS.items()):
            for column, (variable, axis_label) in enumerate(VARIABLES.items()):
                axes = grid[row, column]
                for arm, bins in arms.items():
                    _line(axes, bins[variable], metric, arm)
                if metric == "bias_mean":
                    axes.axhline(0.0, color="black", linewidth=0.7)
                if row == len(ROWS) - 1:
                    axes.set_xlabel(axis_label)
                if column == 0:
                    axes.set_ylabel(label)
        for row in range(len(ROWS)):
            grid[row, 0].set_xlim(left=0)
            grid[row, 1].set_xlim(left=0)
            shade_outside(grid[row, 0], clip_window)
        for axes in grid[-1]:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def _line(axes: Axes, bins: Bins, metric: str, arm: str) -> None:
    filled = [entry for entry in bins if entry[metric]["value"] is not None]
    centre = [entry["centre"] for entry in filled]
    value, low, high = (
        np.array([entry[metric][key] for entry in filled]) for key in ("value", "low", "high")
    )
    style = look(arm)
    axes.plot(centre, value, **style, label=arm)
    axes.fill_between(centre, low, high, color=style["color"], alpha=0.15, linewidth=0)
