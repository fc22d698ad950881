"""Metrics of point estimates, in redshift units, in the conventions of the field.

With dz = z_phot - z_spec and Delta = dz / (1 + z_spec):

===================== ======================================= ==============================
key                   formula                                 convention
===================== ======================================= ==============================
mae                   mean abs(dz)                            seed experiment
rmse                  sqrt(mean dz^2)                         seed experiment
r2                    1 - sum dz^2 / sum (z_spec - mean)^2    seed experiment
adjusted_r2           1 - (1 - R2) (n - 1) / (n - 2)          seed experiment, one predictor
seed_bias             mean dz                                 seed experiment
seed_precision        1.48 median abs(dz)                     seed experiment
seed_outlier_005 ...  share of abs(dz) > 0.05, 0.10, 0.15     seed experiment
bias_mean             mean Delta                              SDSS image papers
bias_median           median Delta                            RAIL / LSST DESC
nmad                  1.4826 median abs(Delta - median Delta) both (sigma_MAD)
sigma_iqr             (q75 - q25 of Delta) / 1.349            RAIL / LSST DESC
outlier_005 ...       share of abs(Delta) > 0.05, 0.10, 0.15  SDSS image papers
outlier_rail          abs(Delta) > max(0.06, 3 sigma_iqr)     RAIL / LSST DESC
===================== ======================================= ==============================

SDSS image papers: Pasquet et al. 2019, A&A 621, A26. RAIL: Schmidt et al. 2020, MNRAS 499, 1587.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.evaluation.weighted import (
    absolute_deviation,
    quantile,
    share_within,
    weighted_mean,
    weighted_sample,
)

__all__ = ["point_metric_replicates", "point_metrics"]

Array = NDArray[np.float64]

THRESHOLDS = {"005": 0.05, "010": 0.10, "015": 0.15}


def point_metrics(z_phot: ArrayLike, z_spec: ArrayLike) -> dict[str, float]:
    """Every point metric of one sample, (n,) arrays; NaN where a metric is undefined.

    Undefined are all metrics of an empty sample, R2 of a sample without spread in z_spec, and the
    adjusted R2 of fewer than three galaxies.
    """
    estimate, truth = np.asarray(z_phot, np.float64), np.asarray(z_spec, np.float64)
    replicates = point_metric_replicates(estimate, truth, np.ones((1, len(truth))))
    return {name: float(values[0]) for name, values in replicates.items()}


def point_metric_replicates(z_phot: Array, z_spec: Array, weights: Array) -> dict[str, Array]:
    """Every point metric under each of B sets of integer weights (B, n): name -> (B,)."""
    if z_phot.shape != z_spec.shape or weights.shape[1:] != z_spec.shape:
        raise ValueError(f"shapes differ: {z_phot.shape}, {z_spec.shape}, {weights.shape}")
    if not len(z_spec):
        return {name: np.full(len(weights), np.nan) for name in _NAMES}
    found = _means(z_phot, z_spec, weights) | _ranks(z_phot, z_spec, weights)
    return {name: found[name] for name in _NAMES}


def _means(z_phot: Array, z_spec: Array, weights: Array) -> dict[str, Array]:
    """Metrics that are means of per-galaxy terms, all in one matrix product."""
    dz = z_phot - z_spec
    delta = dz / (1 + z_spec)
    centred = z_spec - z_spec.mean()  # R2 from moments: centring first keeps the digits
    terms = {"mae": np.abs(dz), "square": dz**2, "seed_bias": dz, "bias_mean": delta}
    terms |= {"first": centred, "second": centred**2}
    for key, limit in THRESHOLDS.items():
        terms[f"outlier_{key}"] = (np.abs(delta) > limit).astype(np.float64)
        terms[f"seed_outlier_{key}"] = (np.abs(dz) > limit).astype(np.float64)
    columns = weighted_mean(np.stack(list(terms.values()), axis=1), weights)
    found = dict(zip(terms, columns.T, strict=True))
    square, first, second = (found.pop(name) for name in ("square", "first", "second"))
    found["rmse"] = np.sqrt(square)
    found["r2"] = _r2(square, second - first**2, np.ptp(z_spec) ** 2)
    n = weights.sum(axis=1)
    found["adjusted_r2"] = 1 - (1 - found["r2"]) * (n - 1) / np.where(n > 2, n - 2, np.nan)
    return found


def _r2(square: Array, variance: Array, scale: float) -> Array:
    """R2 where z_spec has spread beyond rounding, else NaN."""
    return 1 - square / np.where(variance > 1e-12 * scale, variance, np.nan)


def _ranks(z_phot: Array, z_spec: Array, weights: Array) -> dict[str, Array]:
    """Metrics from quantiles."""
    dz = z_phot - z_spec
    delta = weighted_sample(dz / (1 + z_spec), weights)
    centre = quantile(delta, 0.5)
    sigma_iqr = (quantile(delta, 0.75) - quantile(delta, 0.25)) / 1.349  # normal: IQR 1.349 sigma
    limit = np.maximum(0.06, 3 * sigma_iqr)
    return {
        "bias_median": centre,
        "seed_precision": 1.48 * quantile(weighted_sample(np.abs(dz), weights), 0.5),
        "nmad": 1.4826 * absolute_deviation(delta, centre),  # normal: MAD sigma / 1.4826
        "sigma_iqr": sigma_iqr,
        "outlier_rail": 1 - share_within(delta, -limit, limit),
    }


_NAMES = (
    "mae",
    "rmse",
    "r2",
    "adjusted_r2",
    "bias_mean",
    "bias_median",
    "seed_bias",
    "seed_precision",
    "nmad",
    "sigma_iqr",
    "outlier_005",
    "outlier_010",
    "outlier_015",
    "outlier_rail",
    "seed_outlier_005",
    "seed_outlier_010",
    "seed_outlier_015",
)
