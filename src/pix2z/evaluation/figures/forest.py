"""Forest plot of paired contrasts: difference and 95 % interval per pair of arms."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pix2z.evaluation.figures.style import NEUTRAL, figure_file

__all__ = ["plot_forest"]

METRICS = {"crps": "CRPS", "mae": "MAE"}
SUBSETS = {"inside": "inside the clip window", "whole": "whole test set"}
LEFT_OUT = ("trainz", "parameters", "parameters_noisy")
"""Controls whose differences are so large that all others would shrink to a point."""


def plot_forest(contrasts: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Draw a - b in CRPS and MAE, in redshift; filled and blue: the primary contrasts."""
    pairs = list(
        dict.fromkeys((entry["a"], entry["b"]) for entry in contrasts if entry["b"] not in LEFT_OUT)
    )
    height = 0.34 * max(len(pairs), 1) * len(SUBSETS) + 1.6
    with figure_file(path, width=8.0, height=height) as figure:
        grid = figure.subplots(len(SUBSETS), len(METRICS), squeeze=False, sharey=True, sharex=True)
        for row, (subset, where) in enumerate(SUBSETS.items()):
            for column, (metric, label) in enumerate(METRICS.items()):
                axes = grid[row, column]
                chosen = [
                    entry
                    for entry in contrasts
                    if entry["subset"] == subset and entry["metric"] == metric
                ]
                _panel(axes, chosen, pairs)
                axes.set_title(f"{label}, {where}", loc="left")
        for axes in grid[-1]:
            axes.set_xlabel("a - b, in redshift   (left of zero: a is better)")


def _panel(
    axes: Axes, entries: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]]
) -> None:
    axes.axvline(0.0, color="black", linewidth=0.8)
    for entry in entries:
        pair = (entry["a"], entry["b"])
        if pair not in pairs or entry["difference"] is None:
            continue
        height = pairs.index(pair)
        primary = bool(entry["primary"])
        color = "#0072B2" if primary else NEUTRAL
        axes.plot([entry["low"], entry["high"]], [height, height], color=color, linewidth=1.8)
        axes.plot(
            entry["difference"],
            height,
            marker="s" if primary else "o",
            color=color,
            markerfacecolor=color if primary else "white",
            markersize=6,
        )
    axes.set_yticks(np.arange(len(pairs)), [f"{a} - {b}" for a, b in pairs])
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.grid(visible=False, axis="y")
