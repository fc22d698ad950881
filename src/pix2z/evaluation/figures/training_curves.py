"""Loss against epoch, one panel per arm, one pair of lines per seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pix2z.evaluation.figures.style import columns_for, figure_file, look, panels

__all__ = ["plot_training_curves"]


def plot_training_curves(
    histories: Mapping[str, Mapping[int, Mapping[str, Any]]], path: str | Path
) -> None:
    """Draw training (thin) and validation loss (thick) of each arm; the best epoch is marked.

    `histories`: arm -> seed -> history with lists ``epoch``, ``loss``, ``val_loss``.
    """
    rows, columns = columns_for(len(histories))
    with figure_file(path, width=2.7 * columns + 0.6, height=2.4 * rows + 0.3) as figure:
        for axes, (arm, seeds) in zip(
            panels(figure, len(histories)), histories.items(), strict=True
        ):
            for position, history in enumerate(seeds.values()):
                _one_seed(axes, history, color=look(arm)["color"], labelled=position == 0)
            axes.set_title(f"{arm} ({len(seeds)} seed{'s' if len(seeds) != 1 else ''})")
            axes.set_xlabel("epoch")
            axes.set_ylabel("loss")
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
    if min(np.nanmin(loss), np.nanmin(val_loss)) > 0:
        axes.set_yscale("log")
