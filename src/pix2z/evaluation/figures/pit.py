"""PIT histograms and QQ differences, with the bands of a calibrated set of PDFs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import stats

from pix2z.evaluation.figures.style import columns_for, figure_file, look

__all__ = ["plot_pit"]

Array = NDArray[np.float64]

N_BINS = 20


def plot_pit(arms: Mapping[str, Array], path: str | Path) -> None:
    """Draw the PIT values (n,) of each arm: histogram above, QQ difference below.

    Grey: 95 % of calibrated samples of that size lie within, point by point (binomial above, the
    Beta distribution of order statistics below).
    """
    rows, columns = columns_for(len(arms))
    with figure_file(path, width=2.7 * columns + 0.6, height=3.9 * rows + 0.2) as figure:
        axes = figure.subplots(2 * rows, columns, squeeze=False, sharex=True)
        for position, (arm, pit) in enumerate(arms.items()):
            above, column = 2 * (position // columns), position % columns
            _histogram(axes[above, column], pit, color=look(arm)["color"])
            _quantile_difference(axes[above + 1, column], pit, color=look(arm)["color"])
            axes[above, column].set_title(arm)
            lowest = position + columns >= len(arms)
            axes[above + 1, column].tick_params(labelbottom=lowest)
            if lowest:
                axes[above + 1, column].set_xlabel("PIT, or uniform quantile")
            if column == 0:
                axes[above, column].set_ylabel("density of PIT")
                axes[above + 1, column].set_ylabel("PIT quantile - uniform")
        for position in range(len(arms), rows * columns):
            for below in (0, 1):
                axes[2 * (position // columns) + below, position % columns].set_visible(False)
        for half in (axes[0::2], axes[1::2]):
            _same_height(half.ravel().tolist()[: len(arms)])


def _same_height(axes: Sequence[Axes]) -> None:
    low, high = min(a.get_ylim()[0] for a in axes), max(a.get_ylim()[1] for a in axes)
    for one in axes:
        one.set_ylim(low, high)


def _histogram(axes: Axes, pit: Array, *, color: str) -> None:
    edges = np.linspace(0, 1, N_BINS + 1)
    counts = np.histogram(pit, edges)[0]
    low, high = stats.binom.ppf([0.025, 0.975], len(pit), 1 / N_BINS) * N_BINS / len(pit)
    axes.axhspan(low, high, color="#d9d9d9", zorder=0)
    axes.stairs(counts * N_BINS / len(pit), edges, color=color, linewidth=1.6)
    axes.axhline(1.0, color="black", linewidth=0.7)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, 1)


def _quantile_difference(axes: Axes, pit: Array, *, color: str) -> None:
    n = len(pit)
    rank = np.arange(1, n + 1)
    expected = rank / (n + 1)
    low, high = (stats.beta.ppf(level, rank, n + 1 - rank) for level in (0.025, 0.975))
    axes.fill_between(expected, low - expected, high - expected, color="#d9d9d9", linewidth=0)
    axes.plot(expected, np.sort(pit) - expected, color=color)
    axes.axhline(0.0, color="black", linewidth=0.7)
