"""What all figures share: colours, sizes, and how a PNG is written.

Colours are those of Okabe & Ito, told apart with every common colour vision; arms differ by marker
or line style too. Figures are made without pyplot, so that no global state is touched.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pix2z.files import atomic_path

__all__ = ["NEUTRAL", "Look", "columns_for", "figure_file", "look", "panels", "shade_outside"]

NEUTRAL = "#666666"

BLUE, VERMILLION, GREEN, SKY = "#0072B2", "#D55E00", "#009E73", "#56B4E9"
ORANGE, PURPLE, BLACK = "#E69F00", "#CC79A7", "#000000"

Look = dict[str, Any]

_LOOKS: Mapping[str, Look] = {
    "full": {"color": BLUE, "marker": "o", "linestyle": "-"},
    "clipped": {"color": VERMILLION, "marker": "s", "linestyle": "-"},
    "subsample": {"color": GREEN, "marker": "^", "linestyle": "--"},
    "apertures": {"color": GREEN, "marker": "<", "linestyle": "--"},
    "catalogue": {"color": VERMILLION, "marker": ">", "linestyle": "--"},
    "published_full": {"color": SKY, "marker": "v", "linestyle": "-."},
    "published_clipped": {"color": ORANGE, "marker": "D", "linestyle": "-."},
    "trees": {"color": PURPLE, "marker": "P", "linestyle": ":"},
    "knn": {"color": NEUTRAL, "marker": "X", "linestyle": ":"},
}

_STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "image.cmap": "cividis",
    "font.family": "DejaVu Sans",
}


def look(arm: str) -> Look:
    """Colour, marker and line style of an arm; the same in every figure."""
    return dict(_LOOKS.get(arm, {"color": BLACK, "marker": "o", "linestyle": ":"}))


def columns_for(n: int, *, most: int = 3) -> tuple[int, int]:
    """Rows and columns of n small panels, at most `most` side by side."""
    columns = max(1, min(n, most))
    return -(-max(n, 1) // columns), columns


@contextmanager
def figure_file(path: str | Path, *, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of a size in inches, and write it as PNG, atomically, when done.

    Nothing of time or software goes into the file: the same arrays give the same bytes.
    """
    with mpl.style.context(["default", _STYLE]):  # of a user's matplotlibrc, nothing
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_path(path) as partial:
            figure.savefig(partial, dpi=150, facecolor="white", metadata={"Software": None})


def panels(figure: Figure, n: int, *, most: int = 3, shared: bool = False) -> list[Axes]:
    """Make n axes in a grid, hiding the unused ones; `shared`: all have the same limits."""
    rows, columns = columns_for(n, most=most)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared)
    axes = grid.ravel().tolist()
    for spare in axes[n:]:
        spare.set_visible(False)
    return list(axes[:n])


def shade_outside(axes: Axes, window: tuple[float, float], *, label: str | None = None) -> None:
    """Shade redshifts outside the clip window, without widening the axis."""
    low, high = axes.get_xlim()
    for start, stop in ((low, window[0]), (window[1], high)):
        if start < stop:
            axes.axvspan(start, stop, color="#f0e6d8", zorder=0, label=label, linewidth=0)
            label = None
    axes.set_xlim(low, high)
