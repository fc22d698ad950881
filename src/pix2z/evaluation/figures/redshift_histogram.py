"""n(z) of each selection, with the clip window."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.figures.style import figure_file, look, shade_outside

__all__ = ["plot_redshift_histogram"]


def plot_redshift_histogram(
    samples: Mapping[str, NDArray[np.floating]],
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
            style = look(name) | {"linestyle": look(name)["linestyle"] if name != "test" else ":"}
            density, _ = np.histogram(z, bins=edges, density=True)
            axes.stairs(
                density,
                edges,
                color=style["color"],
                linestyle=style["linestyle"],
                linewidth=1.8,
                label=f"{name} (n = {len(z):,})",
            )
        axes.set_xlim(0.0, z_max)
        axes.set_ylim(bottom=0.0)
        shade_outside(axes, clip_window, label="outside the clip window")
        axes.set_xlabel("spectroscopic redshift")
        axes.set_ylabel("galaxies per unit redshift, normalised")
        axes.legend(loc="upper right", frameon=True, framealpha=1.0, edgecolor="none")
