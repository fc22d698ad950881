"""How good the estimates of arms are: contrasts, metrics along variables, PIT, training curves."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import stats

from pix2z.evaluation.figures.style import (
    BLUE,
    NEUTRAL,
    columns_for,
    figure_file,
    look,
    panels,
    shade_outside,
)
from pix2z.evaluation.pdf_metrics import COVERAGE

__all__ = [
    "plot_binned_metrics",
    "plot_coverage",
    "plot_forest",
    "plot_pit",
    "plot_training_curves",
]

Array = NDArray[np.float64]
Bins = Sequence[Mapping[str, Any]]

FOREST_METRICS = {"crps": "CRPS", "mae": "MAE"}
FOREST_SUBSETS = {"inside": "inside the clip window", "whole": "whole test set"}
LEFT_OUT = {"trainz", "knn", "published_full", "published_clipped"}
LEFT_OUT |= {"parameters", "parameters_noisy"}
"""Arms whose differences are so large that all others would shrink to a point."""

BINNED_ALONG = {
    "z_spec": "spectroscopic redshift",
    "z_phot": "photometric redshift",
    "mag_r": "r magnitude of the stamp (AB)",
}
BINNED_ROWS = {"bias_mean": "mean Δ", "nmad": "NMAD of Δ", "crps": "CRPS, in redshift"}

PIT_BINS = 20


def plot_forest(contrasts: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Draw a - b in CRPS and MAE, in redshift, on the margin; filled and blue: primary ones."""
    drawn = [c for c in contrasts if c["low"] is not None and not {c["a"], c["b"]} & LEFT_OUT]
    pairs = {
        subset: list(dict.fromkeys((c["a"], c["b"]) for c in drawn if c["subset"] == subset))
        for subset in FOREST_SUBSETS
    }
    rows = [max(len(of_subset), 1) for of_subset in pairs.values()]
    panels_of = list(product(FOREST_SUBSETS.items(), FOREST_METRICS.items()))
    with figure_file(path, width=8.0, height=0.34 * sum(rows) + 1.6) as figure:
        grid = figure.subplots(
            len(rows), len(FOREST_METRICS), sharey="row", sharex=True, height_ratios=rows
        )
        for axes, ((subset, where), (metric, label)) in zip(grid.flat, panels_of, strict=True):
            of_panel = [c for c in drawn if (c["subset"], c["metric"]) == (subset, metric)]
            _forest_panel(axes, of_panel, pairs[subset])
            axes.set_title(f"{label}, {where}", loc="left")
        for axes in grid[-1]:
            axes.set_xlabel("a - b, in redshift   (left of zero: a is better)")


def _forest_panel(
    axes: Axes, entries: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]]
) -> None:
    for margin in {entry["margin"] for entry in entries if entry["margin"]}:
        axes.axvspan(-margin, margin, color="0.9", zorder=0)
    axes.axvline(0.0, color="black", linewidth=0.8)
    for entry in entries:
        height, primary = pairs.index((entry["a"], entry["b"])), entry["primary"]
        color, marker, face = (BLUE, "s", BLUE) if primary else (NEUTRAL, "o", "white")
        axes.plot([entry["low"], entry["high"]], [height, height], color=color, linewidth=1.8)
        point: Any = {"marker": marker, "markerfacecolor": face, "markersize": 4}
        axes.plot(entry["difference"], height, color=color, **point)
    axes.set_yticks(np.arange(len(pairs)), [f"{a} - {b}" for a, b in pairs])
    axes.set_ylim(max(len(pairs), 1) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.grid(visible=False, axis="y")


def plot_binned_metrics(
    arms: Mapping[str, Mapping[str, Bins]],
    *,
    clip_window: tuple[float, float],
    path: str | Path,
) -> None:
    """Draw each arm's binned metrics at bin centres; bands are 95 % intervals over groups.

    `arms`: arm -> variable -> bins, as `arm_metrics.binned_reports` gives them.
    """
    with figure_file(path, width=8.4, height=6.8) as figure:
        grid = figure.subplots(len(BINNED_ROWS), len(BINNED_ALONG), sharex="col", sharey="row")
        for row, (metric, label) in enumerate(BINNED_ROWS.items()):
            for column, (variable, axis_label) in enumerate(BINNED_ALONG.items()):
                axes = grid[row, column]
                for arm, bins in arms.items():
                    _binned_line(axes, bins[variable], metric, arm)
                if metric == "bias_mean":
                    axes.axhline(0.0, color="black", linewidth=0.7)
                if row == len(BINNED_ROWS) - 1:
                    axes.set_xlabel(axis_label)
                if column == 0:
                    axes.set_ylabel(label)
        for along_z_spec, along_z_phot, _ in grid:
            along_z_spec.set_xlim(left=0)
            along_z_phot.set_xlim(left=0)
            shade_outside(along_z_spec, clip_window)
        for axes in grid[-1]:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def _binned_line(axes: Axes, bins: Bins, metric: str, arm: str) -> None:
    filled = [entry for entry in bins if entry[metric]["value"] is not None]
    centre = [entry["centre"] for entry in filled]
    value, low, high = (
        np.array([entry[metric][key] for entry in filled]) for key in ("value", "low", "high")
    )
    style = look(arm)
    axes.plot(centre, value, **style, label=arm)
    axes.fill_between(centre, low, high, color=style["color"], alpha=0.15, linewidth=0)


def plot_pit(arms: Mapping[str, Array], path: str | Path, *, n_independent: int) -> None:
    """Draw the PIT values (n,) of each arm: histogram above, QQ difference below.

    Grey: 95 % of calibrated samples of `n_independent` galaxies lie within, point by point
    (binomial above, the Beta distribution of order statistics below).
    """
    rows, columns = columns_for(len(arms))
    with figure_file(path, width=2.7 * columns + 0.6, height=3.9 * rows + 0.2) as figure:
        grid = figure.subplots(2 * rows, columns, squeeze=False, sharex=True)
        above, below = grid[0::2].ravel(), grid[1::2].ravel()
        for position, (arm, pit) in enumerate(arms.items()):
            _pit_histogram(above[position], pit, n_independent, color=look(arm)["color"])
            _quantile_difference(below[position], pit, n_independent, color=look(arm)["color"])
            above[position].set_title(arm)
            lowest = position + columns >= len(arms)
            below[position].tick_params(labelbottom=lowest)
            if lowest:
                below[position].set_xlabel("PIT; below: quantile of a flat one")
            if position % columns == 0:
                above[position].set_ylabel("density of PIT")
                below[position].set_ylabel("PIT quantile - flat one's")
        for half in (above, below):
            for spare in half[len(arms) :]:
                spare.set_visible(False)
            limits = np.array([axes.get_ylim() for axes in half[: len(arms)]])
            for axes in half[: len(arms)]:
                axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())


def _pit_histogram(axes: Axes, pit: Array, n: int, *, color: str) -> None:
    edges = np.linspace(0, 1, PIT_BINS + 1)
    counts = np.histogram(pit, edges)[0]
    low, high = stats.binom.ppf([0.025, 0.975], n, 1 / PIT_BINS) * PIT_BINS / n
    axes.axhspan(low, high, color="#d9d9d9", zorder=0)
    axes.stairs(counts * PIT_BINS / len(pit), edges, color=color, linewidth=1.6)
    axes.axhline(1.0, color="black", linewidth=0.7)
    axes.set(xlim=(0, 1), ylim=(0, None))


def _quantile_difference(axes: Axes, pit: Array, n: int, *, color: str) -> None:
    expected = np.arange(1, len(pit) + 1) / (len(pit) + 1)
    rank = expected * (n + 1)
    low, high = (stats.beta.ppf(level, rank, n + 1 - rank) for level in (0.025, 0.975))
    axes.fill_between(expected, low - expected, high - expected, color="#d9d9d9", linewidth=0)
    axes.plot(expected, np.sort(pit) - expected, color=color)
    axes.axhline(0.0, color="black", linewidth=0.7)


def plot_coverage(
    arms: Mapping[str, Mapping[str, Mapping[str, Any]]],
    labels: Mapping[str, str],
    path: str | Path,
) -> None:
    """Draw the coverage of 68 and 95 % in bins of every variable, at the bins' medians.

    `arms`: arm -> variable -> what `coverage.coverage_along` gives. `labels`: variable -> label.
    Grey: bands of all bins of one panel together; filled: inside its band, hollow: outside.
    """
    with figure_file(path, width=8.4, height=5.4) as figure:
        grid = figure.subplots(2, -(-len(labels) // 2), sharey=True, squeeze=False)
        for axes, (variable, label) in zip(grid.flat, labels.items(), strict=False):
            for level in COVERAGE:
                for arm, along in arms.items():
                    _coverage_line(axes, along[variable]["bins"], level, arm)
            axes.set_xlabel(label)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        for axes in grid.flat[len(labels) :]:
            axes.remove()
        for axes in grid[: len(labels), 0]:
            axes.set_ylabel("share of z_spec inside")
            axes.set_yticks(
                [0.4, 0.5, 0.6, 0.68, 0.8, 0.95], ["40", "50", "60", "68", "80", "95 %"]
            )
        handles, names = grid[0, 0].get_legend_handles_labels()
        shown = dict(zip(names, handles, strict=True))
        figure.legend(
            shown.values(), shown.keys(), loc="outside upper center", ncols=max(len(shown), 1)
        )


def _coverage_line(axes: Axes, bins: Bins, level: str, arm: str) -> None:
    """One arm's coverage at one level, over the band of each bin."""
    median = np.array([entry["median"] for entry in bins])
    value, low, high, nominal = (
        np.array([entry[level][key] for entry in bins])
        for key in ("value", "band_low", "band_high", "nominal")
    )
    style, outside = look(arm), (value < low) | (value > high)
    axes.fill_between(median, low, high, color="#e0e0e0", linewidth=0, zorder=0)
    axes.plot(median, nominal, color="black", linewidth=0.8, zorder=1)
    axes.plot(median, value, **style, markersize=5, label=arm)
    hollow = {"color": style["color"], "marker": style["marker"], "markerfacecolor": "white"}
    axes.plot(median[outside], value[outside], linestyle="none", markersize=6.5, **hollow)


def plot_training_curves(
    histories: Mapping[str, Mapping[int, Mapping[str, Any]]], path: str | Path
) -> None:
    """Draw training (thin) and validation loss (thick) of each arm; the best epoch is marked.

    `histories`: arm -> seed -> history with lists ``epoch``, ``loss``, ``val_loss``.
    """
    rows, columns = columns_for(len(histories))
    with figure_file(path, width=2.7 * columns + 0.6, height=2.4 * rows + 0.3) as figure:
        axes_of = zip(panels(figure, len(histories)), histories.items(), strict=True)
        for axes, (arm, seeds) in axes_of:
            for position, history in enumerate(seeds.values()):
                _one_seed(axes, history, color=look(arm)["color"], labelled=position == 0)
            axes.set_title(f"{arm} ({len(seeds)} seed{'s' if len(seeds) != 1 else ''})")
            axes.set(xlabel="epoch", ylabel="loss")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axes.legend()


def _one_seed(axes: Axes, history: Mapping[str, Any], *, color: str, labelled: bool) -> None:
    epoch = np.asarray(history["epoch"]) + 1
    loss, val_loss = (np.asarray(history[name], float) for name in ("loss", "val_loss"))
    labels = ("training", "validation", "best epoch") if labelled else (None, None, None)
    axes.plot(epoch, loss, color=color, linewidth=0.8, alpha=0.7, label=labels[0])
    axes.plot(epoch, val_loss, color=color, linewidth=1.7, label=labels[1])
    best = int(np.nanargmin(val_loss))
    axes.plot(epoch[best], val_loss[best], "k*", markersize=7, linestyle="none", label=labels[2])
