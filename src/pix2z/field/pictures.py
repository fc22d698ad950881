"""A field with its catalogue drawn on it, and a file of regions for DS9."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.frames import Frame
from pix2z.evaluation.figures.stamps import composite
from pix2z.evaluation.figures.style import ORANGE, SKY, VERMILLION, figure_file
from pix2z.field.sources import SourceFlag, Sources
from pix2z.files import atomic_path
from pix2z.imaging import BANDS, PIXEL_SCALE
from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = ["plot_field", "write_regions"]

BINNED = 2
"""Pixels on a side that become one of the picture."""

WHITE = 0.8
"""Nanomaggies per pixel of a bright core in the picture, 20.7 mag per square arcsec."""

LEAST_RADIUS, RADII, SATURATED_RADIUS = 3.0, 3.0, 12.0
"""Of circles: arcsec at the least, half-light radii of a galaxy, arcsec of a saturated star."""

LABEL = (115, 22)
"""Pixels of the frame that a redshift takes in the picture."""

KINDS = {
    "redshift": (ORANGE, 1.4, "orange"),
    "galaxy without a redshift": (SKY, 0.6, "cyan"),
    "star": ("#bbbbbb", 0.5, "white"),
    "saturated star": (VERMILLION, 0.8, "red"),
}
"""Kind -> colour and width of its circle in the picture, and its colour in DS9."""


def plot_field(
    path: str | Path,
    frames: Mapping[str, Frame],
    sources: Sources,
    rows: NDArray[np.int64],
    estimate: Redshifts,
) -> None:
    """Draw a field in colour with a circle around each source, and redshifts of `rows`."""
    picture = composite(_aligned(frames)[None], white=WHITE)[0]
    height, width = frames["r"].pixels.shape
    with figure_file(path, width=11.0, height=0.6 + 11.0 * height / width) as figure:
        axes: Any = figure.subplots()
        axes.grid(visible=False)
        side = (-0.5, picture.shape[1] * BINNED - 0.5, -0.5, picture.shape[0] * BINNED - 0.5)
        axes.imshow(picture, origin="lower", extent=side, interpolation="nearest")
        kinds, radii = _kinds(sources, rows), _radii(sources) / PIXEL_SCALE
        for kind, (colour, line, _) in KINDS.items():
            some = np.flatnonzero(kinds == kind)
            sizes = (2 * radii[some] * _points_per_pixel(axes, width)) ** 2
            axes.scatter(
                sources.x[some],
                sources.y[some],
                s=sizes,
                facecolors="none",
                edgecolors=colour,
                linewidths=line,
                label=f"{kind} (n = {len(some)})",
            )
        x, y = _label_places(sources.x[rows], sources.y[rows] + radii[rows], width)
        for column, row, text in zip(x, y, _labels(estimate), strict=True):
            axes.text(column, row, text, color="white", fontsize=6, ha="center", va="bottom")
        axes.set(xlim=(-0.5, width - 0.5), ylim=(-0.5, height - 0.5))
        axes.set_xlabel("column of the r frame, pixels of 0.396 arcsec")
        axes.set_ylabel("row")
        legend = axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(KINDS))
        for handle in legend.legend_handles:
            handle.set_sizes([40.0])


def write_regions(
    path: str | Path, sources: Sources, rows: NDArray[np.int64], estimate: Redshifts
) -> None:
    """Write circles for DS9: a colour for each kind of source, the redshift as text."""
    texts = dict(zip(rows.tolist(), _labels(estimate), strict=True))
    lines = ["# Region file format: DS9", "icrs"]
    each = zip(sources.ra, sources.dec, _radii(sources), _kinds(sources, rows), strict=True)
    for row, (ra, dec, radius, kind) in enumerate(each):
        text = f" text={{{texts[row]}}}" if row in texts else ""
        colour = KINDS[str(kind)][2]
        lines.append(f'circle({ra:.6f},{dec:.6f},{radius:.1f}") # color={colour}{text}')
    with atomic_path(path) as partial:
        partial.write_text("\n".join(lines) + "\n")


def _kinds(sources: Sources, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    with_redshift = np.isin(np.arange(len(sources)), rows)
    saturated = sources.flags & SourceFlag.SATURATED != 0
    names = list(KINDS)
    return np.select([with_redshift, sources.is_galaxy, ~saturated], names[:3], names[3])


def _radii(sources: Sources) -> NDArray[np.float64]:
    of_galaxies = np.fmax(RADII * sources.half_light, LEAST_RADIUS)
    saturated = sources.flags & SourceFlag.SATURATED != 0
    of_stars = np.where(saturated, SATURATED_RADIUS, LEAST_RADIUS)
    return np.where(sources.is_galaxy, of_galaxies, of_stars)


def _labels(estimate: Redshifts) -> list[str]:
    halves = (estimate.err68_high - estimate.err68_low) / 2
    return [f"{z:.3f}±{half:.3f}" for z, half in zip(estimate.z_median, halves, strict=True)]


def _label_places(
    x: NDArray[np.float64], y: NDArray[np.float64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns and rows of labels above circles: inside the picture, and not one on another."""
    x, y = np.clip(x, LABEL[0] / 2, width - LABEL[0] / 2), y + 4
    for n in range(len(y)):
        for _ in range(n):
            beside = np.abs(x[:n] - x[n]) < LABEL[0]
            on = beside & (np.abs(y[:n] - y[n]) < LABEL[1])
            if not on.any():
                break
            y[n] = y[:n][on].max() + LABEL[1]
    return x, y


def _points_per_pixel(axes: Any, width: int) -> float:
    figure = axes.get_figure()
    figure.draw_without_rendering()
    return float(axes.get_window_extent().width / figure.dpi * 72 / width)


def _aligned(frames: Mapping[str, Frame]) -> NDArray[np.float32]:
    """Return all bands (rows, columns, 5), `BINNED`, each shifted by whole pixels to lie on r."""
    first = frames["r"]
    height, width = first.pixels.shape
    sky = first.wcs.all_pix2world(width / 2, height / 2, 0)
    rows, columns = height // BINNED, width // BINNED
    planes = np.empty((rows, columns, len(BANDS)), np.float32)
    for band, name in enumerate(BANDS):
        x, y = frames[name].wcs.all_world2pix(*sky, 0)
        shift = (round(height / 2 - float(y)), round(width / 2 - float(x)))
        moved = np.roll(frames[name].pixels, shift, (0, 1))[: rows * BINNED, : columns * BINNED]
        planes[..., band] = moved.reshape(rows, BINNED, columns, BINNED).mean(axis=(1, 3))
    return planes
