"""Metrics along redshift, magnitude and extinction, in bins given by their centres.

Binned by z_spec they tell how well a galaxy of that redshift is measured, binned by z_phot how far
an estimate of that value can be trusted: two different questions (Lin et al. 2022).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import GalaxyTerms, select_terms
from pix2z.evaluation.arm_metrics import metric_intervals

__all__ = ["BINNED_METRICS", "BIN_WIDTHS", "bin_edges", "binned_metrics"]

Array = NDArray[np.float64]
Json = dict[str, Any]

BINNED_METRICS = ("bias_mean", "nmad", "crps")

BIN_WIDTHS = {"z_spec": 0.025, "z_phot": 0.025, "mag_r": 0.5, "ebv": 0.02}
"""Variables that metrics are followed along, with the width of their bins."""

MIN_PER_BIN = 8
"""Bins with fewer galaxies say nothing, and are left empty."""


def bin_edges(values: NDArray[np.floating], width: float) -> Array:
    """Multiples of `width` that span the central 99 % of the finite values; empty without any."""
    finite = np.asarray(values, np.float64)[np.isfinite(values)]
    if not len(finite):
        return np.empty(0)
    low, high = np.percentile(finite, [0.5, 99.5]) / width
    first, last = np.floor(low), np.ceil(high)
    return np.asarray(width * np.arange(first, max(last, first + 1) + 1))


def binned_metrics(
    terms: GalaxyTerms,
    variable: NDArray[np.floating],
    edges: Array,
    *,
    n_bootstrap: int,
    seed: int,
) -> list[Json]:
    """Measure bias, NMAD and CRPS, with 95 % intervals over groups, in bins of a variable (n,).

    Galaxies outside `edges` (L + 1,), or without the variable, are in no bin. A bin of fewer than
    8 galaxies keeps its count, with values None.
    """
    bins = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        keep = (variable >= low) & ((variable < high) | ((variable == high) & (high == edges[-1])))
        if np.count_nonzero(keep) >= MIN_PER_BIN:
            found = metric_intervals(
                select_terms(terms, keep), n_bootstrap=n_bootstrap, seed=seed, only=BINNED_METRICS
            )
            chosen: Json = {name: found[name] for name in BINNED_METRICS}
        else:
            chosen = {name: {"value": None, "low": None, "high": None} for name in BINNED_METRICS}
        where = {"centre": float((low + high) / 2), "low": float(low), "high": float(high)}
        bins.append({**where, "n": int(np.count_nonzero(keep)), **chosen})
    return bins
