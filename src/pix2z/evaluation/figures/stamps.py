"""Stamps in colour: a page of those in a file, and a sheet of well and badly measured ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.visualization import make_lupton_rgb
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pix2z.dataset.photometry import sky_sigma
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.figures.style import ORANGE, columns_for, figure_file
from pix2z.imaging import BANDS, PIXEL_SCALE

__all__ = ["SheetRow", "composite", "plot_contact_sheet", "plot_stamps"]

RED_GREEN_BLUE = (3, 2, 1)
"""i, r and g."""

BAND_WEIGHTS = (0.85, 1.0, 1.6)
"""Weights of i, r, g, so that a galaxy of mean colours looks ochre, as galaxies are drawn."""

NO_DATA = 0.55
"""Grey of a pixel without data, in composites and bands alike."""

SCALE_BAR_ARCSEC = 5.0

LINEAR, SOFTENING = 0.15, 5.0
"""Share of the white level up to which the stretch is nearly linear; softening of the asinh."""


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One row of the sheet: stamps (n, 32, 32, 5), and what is known of their galaxies."""

    title: str
    images: NDArray[np.float32]
    galaxies: GalaxyTerms


def composite(images: NDArray[np.floating], *, white: float) -> NDArray[np.float64]:
    """Turn stamps (n, 32, 32, 5) into gri colour images (n, 32, 32, 3) in [0, 1].

    The asinh stretch of Lupton et al. (2004, PASP 116, 133) keeps colours. A pixel is grey where
    any of the three bands has no data.

    Parameters
    ----------
    white : surface brightness, in the unit of the stamps, of a bright centre.
    """
    planes = np.asarray(images, np.float64)[..., list(RED_GREEN_BLUE)] * np.array(BAND_WEIGHTS)
    missing = ~np.isfinite(planes).all(axis=-1)
    planes = np.where(missing[..., None], 0.0, planes)
    with np.errstate(divide="ignore", invalid="ignore"):  # astropy divides by no light
        colours = [
            make_lupton_rgb(*np.moveaxis(stamp, -1, 0), stretch=LINEAR * white, Q=SOFTENING)
            for stamp in planes
        ]
    scaled = np.reshape(colours, planes.shape) / 255.0
    return np.where(missing[..., None], NO_DATA, scaled)


def plot_contact_sheet(rows: Sequence[SheetRow], path: str | Path) -> None:
    """Draw one row of stamps per group, with z_spec, z_phot and its 68 % interval below each."""
    columns = max(len(row.images) for row in rows)
    white = _white(np.concatenate([row.images for row in rows]))
    with figure_file(path, width=1.12 * columns + 0.2, height=1.5 * len(rows) + 0.1) as figure:
        parts = np.ravel(figure.subfigures(len(rows), 1, squeeze=False))
        for part, row in zip(parts, rows, strict=True):
            part.suptitle(row.title, fontsize=9, x=0.01, ha="left", fontweight="bold")
            axes = part.subplots(1, columns, squeeze=False)[0]
            colours = composite(row.images, white=white)
            for position in range(columns):
                _draw_stamp(axes[position], row, colours, position)


def plot_stamps(
    images: NDArray[np.floating], labels: Sequence[str], *, strip: int, path: str | Path
) -> None:
    """Draw every stamp (n, 32, 32, 5) in colour with its label, and one in each of its bands.

    Parameters
    ----------
    images : nanomaggies per pixel of 0.396 arcsec, NaN where there is no data.
    strip : which of the stamps is also shown band by band.
    """
    rows, columns = columns_for(len(images), most=6)
    with figure_file(path, width=7.2, height=1.45 * rows + 2.25) as figure:
        heights = [1.45 * rows + 0.25, 2.0]
        top, bottom = np.ravel(figure.subfigures(2, 1, squeeze=False, height_ratios=heights))
        top.suptitle(
            "i, r, g as red, green, blue; one asinh stretch (Lupton et al. 2004); grey: no data",
            fontsize=8.5,
        )
        axes = top.subplots(rows, columns, squeeze=False).ravel()
        colours = composite(images, white=_white(images))
        for panel in axes:
            panel.set_axis_off()
        for panel, colour, label in zip(axes, colours, labels, strict=False):
            panel.imshow(colour, origin="lower", interpolation="nearest", extent=_extent(images))
            panel.set_title(label, fontsize=7.5, pad=3)
        _scale_bar(axes[0], images)
        _mark(axes[strip])
        bottom.suptitle(
            f"Bands of the framed galaxy ({labels[strip]}); asinh, −3 to 100 times the sky noise",
            fontsize=8.5,
        )
        for band, panel in enumerate(bottom.subplots(1, len(BANDS))):
            _band(panel, images[strip], band)


def _draw_stamp(axes: Axes, row: SheetRow, colours: NDArray[np.float64], position: int) -> None:
    axes.set_axis_off()
    if position >= len(colours):
        return
    axes.imshow(colours[position], origin="lower", interpolation="nearest")
    known = row.galaxies
    half = (known.err68_high[position] - known.err68_low[position]) / 2
    text = f"spec {known.z_spec[position]:.3f}\nphot {known.z_phot[position]:.3f} ± {half:.3f}"
    axes.text(0.5, -0.04, text, transform=axes.transAxes, ha="center", va="top", fontsize=7)


def _band(axes: Axes, stamp: NDArray[np.floating], band: int) -> None:
    """One band in grey, with its axes in arcsec and its brightest pixel."""
    plane = np.asarray(stamp[..., band], np.float64)
    axes.set_facecolor(str(NO_DATA))
    axes.grid(visible=False)
    axes.tick_params(labelleft=band == 0, labelsize=7)
    axes.set_xlabel("arcsec", fontsize=8)
    finite = plane[np.isfinite(plane)]
    peak = f"peak {finite.max():.2g} nMgy/px" if finite.size else "no data"
    axes.set_title(f"{BANDS[band]}: {peak}", fontsize=7.5, pad=3)
    noise = np.nanmax([sky_sigma(stamp[None])[0, band], 1e-12]) if finite.size else 1.0
    shown = np.arcsinh(np.where(np.isfinite(plane), plane, np.nan) / noise)
    low, high = np.arcsinh([-3.0, 100.0])
    axes.imshow(
        shown,
        origin="lower",
        interpolation="nearest",
        extent=_extent(stamp[None]),
        cmap="gray",
        vmin=low,
        vmax=high,
    )


def _extent(images: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Edges of a stamp in arcsec from its centre, as imshow takes them."""
    half = images.shape[1] * PIXEL_SCALE / 2
    return (-half, half, -half, half)


def _white(images: NDArray[np.floating]) -> float:
    """Surface brightness shown as white: what one in twenty centres exceeds."""
    middle = images.shape[1] // 2
    centres = np.asarray(images, np.float64)[:, middle - 2 : middle + 2, middle - 2 : middle + 2]
    finite = centres[np.isfinite(centres)]
    return max(float(np.quantile(finite, 0.95)) if finite.size else 1.0, 1e-12)


def _scale_bar(axes: Axes, images: NDArray[np.floating]) -> None:
    left, _, bottom, _ = _extent(images)
    start, height = left + 0.8, bottom + 0.9
    axes.plot([start, start + SCALE_BAR_ARCSEC], [height, height], color="white", linewidth=1.8)
    axes.text(start, height + 0.35, f"{SCALE_BAR_ARCSEC:g}″", color="white", fontsize=7)


def _mark(axes: Axes) -> None:
    """Frame the stamp that is shown band by band."""
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=ORANGE, linewidth=2.0)
