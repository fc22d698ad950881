"""Every metric of one arm: values, bootstrap intervals, coverage and the spread of its seeds."""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import GalaxyTerms, select_terms, subset_masks
from pix2z.evaluation.bootstrap import binomial_band, group_weights, interval
from pix2z.evaluation.pdf_metrics import (
    COVERAGE,
    PDF_METRICS,
    pdf_metric_replicates,
    prepared_pdf_terms,
)
from pix2z.evaluation.point_metrics import POINT_METRICS, point_metric_replicates, point_terms

__all__ = [
    "bootstrap_replicates",
    "coverage",
    "json_number",
    "metric_intervals",
    "metric_values",
    "seed_spread",
    "subset_values",
]

Array = NDArray[np.float64]
Json = dict[str, Any]


ALL_METRICS = (*POINT_METRICS, *PDF_METRICS)


def metric_values(terms: GalaxyTerms, *, only: Collection[str] = ALL_METRICS) -> dict[str, float]:
    """Every metric of the sample itself, or `only` some; NaN where undefined."""
    plain = _replicates(terms, [np.ones((1, len(terms)))], only)
    return {name: float(values[0]) for name, values in plain.items()}


def subset_values(
    terms: GalaxyTerms, clip_window: tuple[float, float]
) -> dict[str, dict[str, float]]:
    """Every metric on each subset of the test galaxies."""
    masks = subset_masks(terms.z_spec, clip_window)
    return {subset: metric_values(select_terms(terms, keep)) for subset, keep in masks.items()}


def bootstrap_replicates(
    terms: GalaxyTerms, *, n_bootstrap: int, seed: int, only: Collection[str] = ALL_METRICS
) -> dict[str, Array]:
    """Every metric on each resample of groups: name -> (B,); no resample of an empty sample.

    The same groups and seed give the same resamples, whatever the arm: differences are paired.
    """
    weights = group_weights(terms.group_id, n_bootstrap=n_bootstrap, seed=seed)
    return _replicates(terms, weights, only)


def metric_intervals(
    terms: GalaxyTerms, *, n_bootstrap: int, seed: int, only: Collection[str] = ALL_METRICS
) -> dict[str, dict[str, float | None]]:
    """Every metric as {"value", "low", "high"}: 95 % interval over groups; None where undefined."""
    replicates = bootstrap_replicates(terms, n_bootstrap=n_bootstrap, seed=seed, only=only)
    found = {}
    for name, value in metric_values(terms, only=only).items():
        low, high = interval(replicates[name])
        found[name] = {
            "value": json_number(value),
            "low": json_number(low),
            "high": json_number(high),
        }
    return found


def coverage(pit: Array) -> dict[str, Json]:
    """Share of galaxies inside each central interval, with the band a calibrated one stays in."""
    found = {}
    for name, level in COVERAGE.items():
        low, high = binomial_band(len(pit), level)
        share = float((np.abs(pit - 0.5) <= level / 2 + 5e-10).mean()) if len(pit) else np.nan
        found[name] = {
            "nominal": level,
            "n": len(pit),
            "value": json_number(share),
            "band_low": json_number(low),
            "band_high": json_number(high),
        }
    return found


def seed_spread(per_seed: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Give the sd (ddof 1) of each metric over training seeds; None for fewer than two."""
    if not per_seed:
        return {}
    enough = len(per_seed) > 1
    return {
        name: json_number(float(np.std([values[name] for values in per_seed], ddof=1)))
        if enough
        else None
        for name in per_seed[0]
    }


def json_number(value: float) -> float | None:
    """Turn what is not finite into None: JSON knows no NaN."""
    return float(value) if np.isfinite(value) else None


def _replicates(
    terms: GalaxyTerms, blocks: Iterable[Array], only: Collection[str]
) -> dict[str, Array]:
    """Every wanted metric under blocks of weights (b, n): name -> (B,), all blocks together."""
    point, pdf = point_terms(terms.z_phot, terms.z_spec), prepared_pdf_terms(terms.pdf)
    found = [
        point_metric_replicates(point, weights, only=only)
        | pdf_metric_replicates(pdf, weights, only=only)
        for weights in chain([np.empty((0, len(terms)))], blocks)  # an empty one for the names
    ]
    return {name: np.concatenate([block[name] for block in found]) for name in found[0]}
