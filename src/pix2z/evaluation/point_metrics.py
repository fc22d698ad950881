"""Metrics of point estimates, in redshift units, in the conventions of the field.

Their formulas and conventions are in `metric_names.METRICS`, of dz = z_phot - z_spec and Delta =
dz / (1 + z_spec). Besides, as the published experiment had them: ``seed_bias``, the mean of dz, and
``seed_outlier_*``, shares of abs(dz) above 0.05, 0.10 and 0.15.

SDSS image papers: Pasquet et al. 2019, A&A 621, A26. RAIL: Schmidt et al. 2020, MNRAS 499, 1587.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.evaluation.weighted import (
    OrderedSample,
    absolute_deviation,
    ordered_sample,
    quantile,
    share_within,
    weighted_mean,
    weighted_sample,
)

__all__ = [
    "POINT_METRICS",
    "PointTerms",
    "point_mean_terms",
    "point_metric_replicates",
    "point_metrics",
    "point_terms",
]

Array = NDArray[np.float64]

THRESHOLDS = {"005": 0.05, "010": 0.10, "015": 0.15}

POINT_METRICS = (
    *("mae", "rmse", "r2", "adjusted_r2", "bias_mean", "bias_median"),
    *("seed_bias", "seed_precision", "nmad", "sigma_iqr"),
    *(f"outlier_{key}" for key in THRESHOLDS),
    "outlier_rail",
    *(f"seed_outlier_{key}" for key in THRESHOLDS),
)


@dataclass(frozen=True, eq=False)
class PointTerms:
    """What n galaxies add to the point metrics, worked out once for all resamples.

    Attributes
    ----------
    names, matrix : (n, T) terms whose means are or give metrics, and what each is.
    delta, absolute_dz : the sorted Delta and abs(dz), for metrics from quantiles.
    z_range : of z_spec.
    """

    names: tuple[str, ...]
    matrix: Array
    delta: OrderedSample
    absolute_dz: OrderedSample
    z_range: float


def point_metrics(z_phot: ArrayLike, z_spec: ArrayLike) -> dict[str, float]:
    """Every point metric of one sample, (n,) arrays; NaN where a metric is undefined.

    Undefined are all metrics of an empty sample, R2 of a sample without spread in z_spec, and the
    adjusted R2 of fewer than three galaxies.
    """
    estimate, truth = np.asarray(z_phot, np.float64), np.asarray(z_spec, np.float64)
    replicates = point_metric_replicates(point_terms(estimate, truth), np.ones((1, len(truth))))
    return {name: float(values[0]) for name, values in replicates.items()}


def point_terms(z_phot: Array, z_spec: Array) -> PointTerms:
    """Work out what each galaxy adds to the point metrics."""
    if z_phot.shape != z_spec.shape:
        raise ValueError(f"shapes differ: {z_phot.shape}, {z_spec.shape}")
    terms = point_mean_terms(z_phot, z_spec)
    return PointTerms(
        names=tuple(terms),
        matrix=np.stack(list(terms.values()), axis=1),
        delta=ordered_sample(terms["bias_mean"]),
        absolute_dz=ordered_sample(terms["mae"]),
        z_range=float(np.ptp(z_spec)) if len(z_spec) else 0.0,
    )


def point_mean_terms(z_phot: Array, z_spec: Array) -> dict[str, Array]:
    """Work out what each galaxy adds, (n,), to every metric that is a mean over galaxies.

    And to the moments behind others: RMSE and R2 follow from ``square``, ``first`` and ``second``.
    """
    dz = z_phot - z_spec
    delta = dz / (1 + z_spec)
    mean = z_spec.mean() if len(z_spec) else 0.0
    centred = z_spec - mean  # R2 from moments: centring first keeps the digits
    terms = {"mae": np.abs(dz), "square": dz**2, "seed_bias": dz, "bias_mean": delta}
    terms |= {"first": centred, "second": centred**2}
    for key, limit in THRESHOLDS.items():
        terms[f"outlier_{key}"] = (np.abs(delta) > limit).astype(np.float64)
        terms[f"seed_outlier_{key}"] = (np.abs(dz) > limit).astype(np.float64)
    return terms


def point_metric_replicates(
    terms: PointTerms, weights: Array, *, only: Collection[str] = POINT_METRICS
) -> dict[str, Array]:
    """Every point metric under each of B sets of integer weights (B, n): name -> (B,).

    `only` names the wanted ones; what they do not need is not worked out.
    """
    names = [name for name in POINT_METRICS if name in only]
    if not (names and len(terms.delta.values)):
        return {name: np.full(len(weights), np.nan) for name in names}
    values = _means(terms, weights) | _ranks(terms, weights)
    if "seed_precision" in names:
        sample = weighted_sample(terms.absolute_dz, weights)
        values["seed_precision"] = 1.48 * quantile(sample, 0.5)
    return {name: values[name] for name in names}


def _means(terms: PointTerms, weights: Array) -> dict[str, Array]:
    """Metrics that are means of per-galaxy terms, all in one matrix product."""
    columns = weighted_mean(terms.matrix, weights)
    values = dict(zip(terms.names, columns.T, strict=True))
    square, first, second = (values.pop(name) for name in ("square", "first", "second"))
    values["rmse"] = np.sqrt(square)
    variance = second - first**2
    spread = variance > 1e-12 * terms.z_range**2  # beyond rounding: else R2 is not defined
    values["r2"] = 1 - square / np.where(spread, variance, np.nan)
    n = weights.sum(axis=1)
    values["adjusted_r2"] = 1 - (1 - values["r2"]) * (n - 1) / np.where(n > 2, n - 2, np.nan)
    return values


def _ranks(terms: PointTerms, weights: Array) -> dict[str, Array]:
    """Metrics from quantiles of Delta."""
    delta = weighted_sample(terms.delta, weights)
    centre = quantile(delta, 0.5)
    sigma_iqr = (quantile(delta, 0.75) - quantile(delta, 0.25)) / 1.349  # normal: IQR 1.349 sigma
    limit = np.maximum(0.06, 3 * sigma_iqr)
    return {
        "bias_median": centre,
        "nmad": 1.4826 * absolute_deviation(delta, centre),  # normal: MAD sigma / 1.4826
        "sigma_iqr": sigma_iqr,
        "outlier_rail": 1 - share_within(delta, -limit, limit),
    }
