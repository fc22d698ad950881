"""Every metric of one arm: values, bootstrap intervals, coverage and the spread of its seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.bootstrap import binomial_band, group_weights, interval
from pix2z.evaluation.pdf_metrics import COVERAGE, PdfTerms, pdf_metric_replicates, pdf_terms
from pix2z.evaluation.point_metrics import point_metric_replicates
from pix2z.redshift_pdf.predictions import Predictions

__all__ = [
    "GalaxyTerms",
    "coverage",
    "galaxy_terms",
    "json_number",
    "metric_intervals",
    "metric_replicates",
    "metric_values",
    "seed_spread",
    "select_terms",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class GalaxyTerms:
    """What each of n galaxies adds to the metrics of one arm."""

    z_phot: Array
    z_spec: Array
    pdf: PdfTerms


def galaxy_terms(predictions: Predictions) -> GalaxyTerms:
    """Work out every per-galaxy term once; all metrics and resamples follow from them."""
    pdf = pdf_terms(predictions.density, predictions.grid, predictions.z_spec)
    return GalaxyTerms(z_phot=predictions.z_phot, z_spec=predictions.z_spec, pdf=pdf)


def select_terms(terms: GalaxyTerms, keep: Mask) -> GalaxyTerms:
    """Pick galaxies by a mask (n,)."""
    pdf = PdfTerms(terms.pdf.crps[keep], terms.pdf.cde[keep], terms.pdf.pit[keep])
    return GalaxyTerms(z_phot=terms.z_phot[keep], z_spec=terms.z_spec[keep], pdf=pdf)


def metric_replicates(terms: GalaxyTerms, weights: Array) -> dict[str, Array]:
    """Every point and PDF metric under each set of weights (B, n): name -> (B,)."""
    point = point_metric_replicates(terms.z_phot, terms.z_spec, weights)
    return point | pdf_metric_replicates(terms.pdf, weights)


def metric_values(terms: GalaxyTerms) -> dict[str, float]:
    """Every metric of the sample itself; NaN where undefined."""
    plain = metric_replicates(terms, np.ones((1, len(terms.z_spec))))
    return {name: float(values[0]) for name, values in plain.items()}


def metric_intervals(
    terms: GalaxyTerms, group_id: NDArray[np.int64], *, n_bootstrap: int, seed: int
) -> dict[str, dict[str, float | None]]:
    """Every metric as {"value", "low", "high"}: 95 % interval over groups; None where undefined."""
    blocks = [
        metric_replicates(terms, weights)
        for weights in group_weights(group_id, n_bootstrap=n_bootstrap, seed=seed)
    ]
    found = {}
    for name, value in metric_values(terms).items():
        low, high = interval(np.concatenate([block[name] for block in blocks] or [np.empty(0)]))
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
