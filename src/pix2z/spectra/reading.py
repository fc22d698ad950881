"""Ways to a redshift that lead over a reconstructed spectrum, set against the direct network.

Every way gives point estimates on calibration and on test galaxies; a histogram of the calibration
residuals turns them into PDFs, so that CRPS compares like with like. All ways are measured on the
same test galaxies and the same resamples of groups: their differences are paired.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import bootstrap_replicates, json_number, metric_values
from pix2z.evaluation.bootstrap import interval
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.redshift_pdf.residual import fit_residual_pdf, residual_density

__all__ = ["WAY_METRICS", "compare_ways", "point_terms_of_way"]

WAY_METRICS = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "coverage_68", "coverage_95")
CHUNK = 4096

Array = NDArray[np.float64]
Json = dict[str, Any]


def point_terms_of_way(
    calibration: tuple[Array, Array],
    z_phot: Array,
    columns: Mapping[str, NDArray[Any]],
    *,
    grid: RedshiftGrid,
    n_phot_bins: int,
) -> GalaxyTerms:
    """Terms of the metrics of a point estimator on the test galaxies.

    Parameters
    ----------
    calibration : z_phot and z_spec of calibration galaxies.
    z_phot : (n,) of the test galaxies; one that is not finite counts as the calibration median.
    columns : of `redshift_pdf.predictions.COLUMNS`, but z_phot, (n,).
    """
    known = np.isfinite(calibration[0])
    residual = fit_residual_pdf(
        calibration[0][known], calibration[1][known], grid=grid, n_phot_bins=n_phot_bins
    )
    z_phot = np.where(np.isfinite(z_phot), z_phot, np.median(calibration[1]))
    z_phot = np.clip(z_phot, grid.z_min, grid.z_max)

    def chunks() -> Iterator[Predictions]:
        for start in range(0, len(z_phot), CHUNK):
            part = slice(start, start + CHUNK)
            density = residual_density(residual, z_phot[part]).astype(np.float32)
            rest = {name: values[part] for name, values in columns.items()}
            yield Predictions(grid=grid, density=density, z_phot=z_phot[part], **rest)

    return galaxy_terms(chunks())


def compare_ways(
    ways: Mapping[str, GalaxyTerms],
    *,
    reference: str,
    clip_window: tuple[float, float],
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Metrics of every way, and of its difference to the reference, with 95 % intervals.

    The intervals hold the chance of the test galaxies alone, not that of the trainings.

    Returns
    -------
    {"ways": {way: {subset: {metric: {value, low, high}}}}, "contrasts": [{a, b, subset, metric,
    difference, low, high}]}, a being a way and b the reference.
    """
    masks = subset_masks(next(iter(ways.values())).z_spec, clip_window)
    found: Json = {"reference": reference, "ways": {name: {} for name in ways}, "contrasts": []}
    for subset, keep in masks.items():
        chosen = {name: select_terms(terms, keep) for name, terms in ways.items()}
        value = {name: metric_values(terms, only=WAY_METRICS) for name, terms in chosen.items()}
        drawn = {
            name: bootstrap_replicates(terms, n_bootstrap=n_bootstrap, seed=seed, only=WAY_METRICS)
            for name, terms in chosen.items()
        }
        for name in ways:
            found["ways"][name][subset] = {
                metric: _ranged(value[name][metric], drawn[name][metric], "value")
                for metric in WAY_METRICS
            }
            if name == reference:
                continue
            for metric in WAY_METRICS:
                difference = value[name][metric] - value[reference][metric]
                replicates = drawn[name][metric] - drawn[reference][metric]
                entry = {"a": name, "b": reference, "subset": subset, "metric": metric}
                found["contrasts"].append(entry | _ranged(difference, replicates, "difference"))
    return found


def _ranged(value: float, replicates: Array, name: str) -> Json:
    low, high = interval(replicates)
    return {name: json_number(value), "low": json_number(low), "high": json_number(high)}
