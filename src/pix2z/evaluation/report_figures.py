"""Every figure of the comparison, drawn into one folder, with captions and alternative texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.store import Galaxies
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.figures.binned_metrics import plot_binned_metrics
from pix2z.evaluation.figures.contact_sheet import SheetRow, plot_contact_sheet
from pix2z.evaluation.figures.error_heatmap import plot_error_heatmap
from pix2z.evaluation.figures.forest import plot_forest
from pix2z.evaluation.figures.pit import plot_pit
from pix2z.evaluation.figures.redshift_density import plot_redshift_density
from pix2z.evaluation.figures.redshift_histogram import plot_redshift_histogram
from pix2z.evaluation.figures.training_curves import plot_training_curves
from pix2z.evaluation.report_parts import Picture

__all__ = ["contact_rows", "draw_figures"]

Json = Mapping[str, Any]
Array = NDArray[np.floating]


def draw_figures(
    folder: Path,
    *,
    comparison: Json,
    pools: Mapping[str, GalaxyTerms],
    histories: Mapping[str, Mapping[int, Json]],
    bins: Mapping[str, Mapping[str, Sequence[Json]]],
    samples: Mapping[str, Array],
    sheet: Sequence[SheetRow],
) -> list[Picture]:
    """Draw all figures that the given arms allow.

    Parameters
    ----------
    pools : terms of the arms, not of the controls.
    histories : arm -> seed -> training history; arms without one are left out.
    bins : arm or control -> variable -> bins of `binned_metrics`.
    samples : name -> redshifts of a sample, for the histogram.
    sheet : rows of the contact sheet.
    """
    low, high = comparison["test"]["clip_window"]
    window = (float(low), float(high))
    z_max = next(iter(pools.values())).grid.z_max
    forest, sheet_path = folder / "contrasts.png", folder / "contact_sheet.png"
    plot_forest(comparison["contrasts"], forest)
    density = folder / "redshift_density.png"
    pairs = {name: (pool.z_phot, pool.z_spec) for name, pool in pools.items()}
    plot_redshift_density(pairs, clip_window=window, z_max=z_max, path=density)
    pictures = [
        Picture(forest, _FOREST, "Differences between pairs of arms with 95 % intervals"),
        Picture(density, _DENSITY, "Density plots of photometric against true redshift, per arm"),
    ]
    pictures += _errors(folder, pools, window, z_max)
    binned, pit = folder / "binned_metrics.png", folder / "pit.png"
    plot_binned_metrics(bins, clip_window=window, path=binned)
    plot_pit({name: pool.pdf.pit for name, pool in pools.items()}, pit)
    pictures.append(Picture(binned, _BINNED, "Bias, scatter and CRPS along redshift and magnitude"))
    pictures.append(Picture(pit, _PIT, "PIT histograms and quantile differences, per arm"))
    histogram = folder / "redshift_histogram.png"
    plot_redshift_histogram(samples, clip_window=window, z_max=z_max, path=histogram)
    pictures.append(Picture(histogram, _HISTOGRAM, "Redshift distributions and the clip window"))
    trained = {name: found for name, found in histories.items() if found}
    if trained:
        curves = folder / "training_curves.png"
        plot_training_curves(trained, curves)
        pictures.append(Picture(curves, _CURVES, "Training and validation loss by epoch, per arm"))
    plot_contact_sheet(sheet, sheet_path)
    pictures.append(Picture(sheet_path, _SHEET, "Colour stamps of test galaxies with redshifts"))
    return pictures


def contact_rows(galaxies: Galaxies, pool: GalaxyTerms, *, n: int, seed: int) -> list[SheetRow]:
    """Choose n random, the n best and the n worst measured test galaxies and read their stamps."""
    error = np.abs(pool.z_phot - pool.z_spec) / (1 + pool.z_spec)
    order = np.argsort(error, kind="stable")
    n = min(n, len(order))
    groups = {
        "Random": np.random.default_rng(seed).choice(len(order), n, replace=False),
        "Best (smallest |Δ|)": order[:n],
        "Worst (largest |Δ|)": order[::-1][:n],
    }
    return [
        SheetRow(
            title=title,
            images=galaxies.images(pool.row[chosen]),
            z_spec=pool.z_spec[chosen],
            z_phot=pool.z_phot[chosen],
            z_low=pool.err68_low[chosen],
            z_high=pool.err68_high[chosen],
        )
        for title, chosen in groups.items()
    ]


def _errors(
    folder: Path, pools: Mapping[str, GalaxyTerms], window: tuple[float, float], z_max: float
) -> list[Picture]:
    pictures = []
    for name in ("full", "clipped"):
        if name in pools:
            path = folder / f"errors_{name}.png"
            pool = pools[name]
            plot_error_heatmap(
                pool.z_phot, pool.z_spec, arm=name, clip_window=window, z_max=z_max, path=path
            )
            caption = (
                f"Absolute error of {name} against true redshift, with marginal counts; the top row"
                " holds all larger errors."
            )
            alt = f"Heat map of the absolute error of {name} against true redshift"
            pictures.append(Picture(path, caption, alt))
    return pictures


_FOREST = (
    "Paired differences in redshift with 95 % intervals; blue squares: primary contrasts. Controls"
    " with far larger differences (trainz, parameters) are in the table only."
)
_DENSITY = (
    "Photometric against spectroscopic redshift on the test set. Line: equality; dashed:"
    " |dz| = 0.05 (1 + z); dotted: the clip window."
)
_BINNED = (
    "Mean bias, NMAD and CRPS at bin centres, with 95 % intervals over groups. Against z_spec any"
    " estimator pulls towards the sample's mean; against z_phot a calibrated one is unbiased."
)
_PIT = (
    "PIT of the test galaxies: histogram, and quantiles minus those of a uniform distribution."
    " Grey: where 95 % of calibrated samples lie, point by point."
)
_HISTOGRAM = "Redshift distributions of the training selections and of the test set."
_CURVES = "Loss by epoch; thin: training, thick: validation, star: the epoch that was kept."
_SHEET = (
    "Test galaxies as the network sees them (g, r, i as blue, green, red), with spectroscopic and"
    " photometric redshift and half the 68 % interval."
)
