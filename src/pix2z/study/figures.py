"""Figures of the study; each shows the numbers of reports/study.json and nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, ScalarFormatter

from pix2z.evaluation.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    NEUTRAL,
    ORANGE,
    PURPLE,
    VERMILLION,
    columns_for,
    figure_file,
    look,
)
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "plot_attenuation",
    "plot_band_importance",
    "plot_learning_curves",
    "plot_pit_distances",
    "plot_sizes",
    "plot_stacks",
    "plot_tomographic_bias",
]

Json = Mapping[str, Any]

BAND_LOOKS: Mapping[str, Mapping[str, str]] = {
    "u": {"color": PURPLE, "marker": "v"},
    "g": {"color": GREEN, "marker": "s"},
    "r": {"color": VERMILLION, "marker": "o"},
    "i": {"color": ORANGE, "marker": "D"},
    "z": {"color": BLACK, "marker": "^"},
}


def plot_pit_distances(pit: Mapping[str, Json], path: str | Path) -> None:
    """Draw PIT-RMSE and PIT-KL of each estimator; grey: 95 % of calibrated samples lie there."""
    labels = {"pit_rmse": "PIT-RMSE", "pit_kl": "PIT-KL (nats, 20 bins)"}
    with figure_file(path, width=7.2, height=0.32 * len(pit) + 1.4) as figure:
        grid = figure.subplots(1, 2, sharey=True)
        for axes, (name, label) in zip(grid, labels.items(), strict=True):
            most = max(of[name]["calibrated_95"] for of in pit.values())
            axes.axvspan(0, most, color="#d9d9d9", label="95 % of calibrated samples lie here")
            for height, (estimator, of) in enumerate(pit.items()):
                _interval(axes, of[name], height, estimator, across=True)
            axes.set(xlabel=label, xlim=(0, None))
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.grid(visible=False, axis="y")
        grid[0].set_yticks(range(len(pit)), list(pit))
        grid[0].set_ylim(len(pit) - 0.5, -0.5)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center")


def plot_stacks(bins: Sequence[Json], grid: RedshiftGrid, path: str | Path) -> None:
    """Draw the stack of `full` and the spectroscopic n(z) in each tomographic bin."""
    rows, columns = columns_for(len(bins))
    with figure_file(path, width=2.6 * columns + 0.5, height=2.1 * rows + 0.5) as figure:
        every = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
        coarse = max(grid.n_bins // 45, 1)  # bins of the grid in one of the histogram
        used = grid.n_bins // coarse * coarse
        edges = grid.edges[: used + 1 : coarse]
        for axes, of in zip(every, bins, strict=False):
            counts = np.asarray(of["spectroscopic"])[:used].reshape(-1, coarse).mean(axis=1)
            axes.stairs(counts, edges, fill=True, color="#c9c9c9", label="spectroscopic n(z)")
            axes.plot(grid.centres, of["stack"], color=BLUE, label="stack of PDFs")
            axes.set_title(f"z_phot {of['z_phot_low']:.3f} to {of['z_phot_high']:.3f}")
            axes.set(xlim=(grid.z_min, grid.z_max), ylim=(0, None))
        for spare in every[len(bins) :]:
            spare.set_visible(False)
        for place, axes in enumerate(every[: len(bins)]):
            axes.tick_params(labelbottom=place + columns >= len(bins))
        figure.supxlabel("redshift", fontsize=9)
        figure.supylabel("density per unit redshift", fontsize=9)
        handles, labels = every[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)


def plot_tomographic_bias(tomography: Mapping[str, Sequence[Json]], path: str | Path) -> None:
    """Draw the bias of mean and width of the stacks, bin by bin, of each estimator."""
    labels = {
        "bias_mean": "mean of stack - mean z_spec",
        "bias_width": "width of stack - of z_spec",
    }
    with figure_file(path, width=7.6, height=3.4) as figure:
        grid = figure.subplots(1, 2)
        for axes, (name, label) in zip(grid, labels.items(), strict=True):
            for place, (estimator, bins) in enumerate(tomography.items()):
                shift = 0.13 * (place - (len(tomography) - 1) / 2)
                for number, of in enumerate(bins, start=1):
                    _interval(axes, of[name], number + shift, estimator)
            axes.axhline(0.0, color="black", linewidth=0.7)
            axes.set(xticks=range(1, len(bins) + 1), xlim=(0.5, len(bins) + 0.5))
            axes.set_xlabel("tomographic bin, by the estimator's z_phot")
            axes.set_ylabel(f"{label}, in redshift")
            axes.grid(visible=False, axis="x")
        need = np.array([of["need"] for of in tomography["full"]])
        edges = np.arange(len(need) + 1) + 0.5
        grid[0].stairs(need, edges, baseline=-need, fill=True, color="#e4e4e4", zorder=0)
        _legend(figure, tomography)


def plot_attenuation(attenuation: Mapping[str, Json], path: str | Path) -> None:
    """Draw both slopes of each colour cell, by rising mean redshift, and the pooled ones."""
    mean_z = [cell["z_mean"] for cell in next(iter(attenuation.values()))["cells"]]
    rising = sorted((z, number) for number, z in enumerate(mean_z) if z is not None)
    labels = {
        "along_z_spec": "slope of z_phot on z_spec",
        "along_z_phot": "slope of z_spec on z_phot",
    }
    with figure_file(path, width=7.6, height=6.2) as figure:
        grid = figure.subplots(2, 2, width_ratios=(5, 1), sharey="row", sharex="col")
        for (cells, pooled), (name, label) in zip(grid, labels.items(), strict=True):
            for place, (estimator, of) in enumerate(attenuation.items()):
                shift = 0.14 * (place - (len(attenuation) - 1) / 2)
                for position, (_, number) in enumerate(rising):
                    if name in of["cells"][number]:
                        entry = of["cells"][number][name]
                        _interval(cells, entry, position + shift, estimator)
                _interval(pooled, of["pooled"][name], place, estimator)
            for axes in (cells, pooled):
                axes.axhline(1.0, color="black", linewidth=0.7)
                axes.grid(visible=False, axis="x")
            cells.set_ylabel(label)
        grid[1, 0].set_xticks(range(len(rising)), [f"{z:.3f}" for z, _ in rising])
        grid[1, 0].set_xlabel("colour cell, by its mean spectroscopic redshift")
        grid[1, 1].set(xlabel="all cells", xticks=[], xlim=(-0.7, len(attenuation) - 0.3))
        _legend(figure, attenuation)


def plot_band_importance(importance: Json, path: str | Path) -> None:
    """Draw the bands' Shapley values on all test galaxies, and along redshift."""
    whole, bins = importance["whole"], importance["bins"]
    with figure_file(path, width=7.6, height=3.3) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1, 2))
        for place, (band, of) in enumerate(whole["shapley"].items()):
            color = BAND_LOOKS[band]["color"]
            left.bar(place, of["value"], color=color, width=0.7)
            left.plot([place, place], [of["low"], of["high"]], color=NEUTRAL, linewidth=2)
            along = [b["shapley"][band] for b in bins]
            z = [b["z_mean"] for b in bins]
            right.plot(z, [o["value"] for o in along], **BAND_LOOKS[band], label=band)
            low, high = ([o[end] for o in along] for end in ("low", "high"))
            right.fill_between(z, low, high, color=color, alpha=0.15, linewidth=0)
        left.set_xticks(range(len(whole["shapley"])), list(whole["shapley"]))
        left.set_xlabel("band, all test galaxies")
        left.grid(visible=False, axis="x")
        right.set(xlabel="mean z_spec of the bin", xlim=(0, None))
        right.legend(ncols=5, loc="upper center")
        for axes in (left, right):
            axes.set_ylabel("Shapley value: CRPS gained, in redshift")
            axes.axhline(0.0, color="black", linewidth=0.7)


def plot_learning_curves(curves: Mapping[str, Json], path: str | Path) -> None:
    """Draw CRPS against training groups, both logarithmic; a full line is a power law.

    Where the sizes exclude one, or none is tested, dots join them. Estimators stand side by side.
    """
    with figure_file(path, width=5.2, height=3.8) as figure:
        axes = figure.subplots()
        beside = np.linspace(0.96, 1.04, len(curves))
        for shift, (name, curve) in zip(beside, curves.items(), strict=True):
            style = look(name) | {"linestyle": "none"}
            n = np.array([point["n_groups"] for point in curve["points"]])
            value, low, high = (
                np.array([point[key] for point in curve["points"]])
                for key in ("value", "low", "high")
            )
            errors = [value - low, high - value]
            axes.errorbar(shift * n, value, errors, **style, capsize=2, label=name)
            law = curve["power_law"]
            if law["fits"]:
                fitted = law["at_1000"] * (n / 1000) ** -law["exponent"]["value"]
                axes.plot(shift * n, fitted, color=style["color"], linewidth=1)
            else:
                axes.plot(shift * n, value, color=style["color"], linewidth=1, linestyle=":")
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_locator(FixedLocator(n.tolist()))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.minorticks_off()
        lowest, highest = axes.get_ylim()
        ticks = [tick for tick in np.arange(0.006, 0.1, 0.001) if lowest <= tick <= highest]
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3f}")
        axes.set_xlabel("training galaxies (groups: parent galaxies)")
        axes.set_ylabel("CRPS of one network, in redshift")
        axes.legend()


def plot_sizes(gains: Json, path: str | Path) -> None:
    """Draw what `full` gains over the other arms on both skies."""
    skies = (
        ("sizes_know_redshift", "sizes follow from luminosity", -0.12, None),
        ("sizes_do_not", "sizes independent of redshift", 0.12, "white"),
    )
    arms = list(gains["difference_of_gains"])
    with figure_file(path, width=6.0, height=0.7 * len(arms) + 1.2) as figure:
        axes = figure.subplots()
        axes.axvline(0.0, color="black", linewidth=0.8)
        for sky, _, shift, face in skies:
            for place, arm in enumerate(arms):
                _interval(axes, gains[sky]["gain"][arm], place + shift, arm, across=True, face=face)
        axes.set_yticks(range(len(arms)), [f"full against {arm}" for arm in arms])
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.set_xlabel("CRPS that full gains, in redshift   (right of zero: full is better)")
        axes.grid(visible=False, axis="y")
        handles = [
            Line2D([], [], color=NEUTRAL, marker="o", markerfacecolor=face or NEUTRAL, label=label)
            for _, label, _, face in skies
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)


def _interval(
    axes: Axes,
    entry: Json,
    place: float,
    name: str,
    *,
    across: bool = False,
    face: str | None = None,
) -> None:
    """Draw a value with its interval at a place on the other axis; `across`: horizontally."""
    style = look(name)
    ends, places = [entry["low"], entry["high"]], [place, place]
    point: Any = {"marker": style["marker"], "color": style["color"], "markersize": 5}
    if across:
        axes.plot(ends, places, color=style["color"])
        axes.plot(entry["value"], place, **point, markerfacecolor=face or style["color"])
    else:
        axes.plot(places, ends, color=style["color"], linewidth=1.1)
        axes.plot(place, entry["value"], **point)


def _legend(figure: Any, names: Mapping[str, Any]) -> None:
    handles = [
        Line2D([], [], color=look(name)["color"], marker=look(name)["marker"], label=name)
        for name in names
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
