"""All numbers of one arm by itself; the content of reports/metrics/<arm>.json."""

from typing import Any

from pix2z.evaluation.arm_metrics import (
    coverage,
    galaxy_terms,
    json_number,
    metric_intervals,
    metric_values,
    select_terms,
)
from pix2z.evaluation.binned import BIN_WIDTHS, bin_edges, binned_metrics
from pix2z.evaluation.comparison import ArmPredictions, subset_masks
from pix2z.redshift_pdf.predictions import Predictions

__all__ = ["arm_report", "binned_report"]

Json = dict[str, Any]


def arm_report(
    name: str,
    arm: ArmPredictions,
    *,
    clip_window: tuple[float, float],
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Measure the pool with intervals, each seed, the pool in bins, and its coverage."""
    pool = arm.pool
    masks = subset_masks(pool.z_spec, clip_window)
    terms = {subset: select_terms(galaxy_terms(pool), keep) for subset, keep in masks.items()}
    return {
        "arm": name,
        "n": {subset: int(keep.sum()) for subset, keep in masks.items()},
        "clip_window": list(clip_window),
        "pool": {
            subset: metric_intervals(
                terms[subset], pool.group_id[keep], n_bootstrap=n_bootstrap, seed=seed
            )
            for subset, keep in masks.items()
        },
        "seeds": {
            str(number): _values(predictions, clip_window)
            for number, predictions in sorted(arm.seeds.items())
        },
        "coverage": {subset: coverage(found.pdf.pit) for subset, found in terms.items()},
        "bins": binned_report(pool, n_bootstrap=n_bootstrap, seed=seed),
    }


def binned_report(pool: Predictions, *, n_bootstrap: int, seed: int) -> dict[str, list[Json]]:
    """Follow the pool's metrics along every variable of `BIN_WIDTHS`."""
    terms = galaxy_terms(pool)
    found = {}
    for variable, width in BIN_WIDTHS.items():
        values = getattr(pool, variable)
        found[variable] = binned_metrics(
            terms,
            pool.group_id,
            values,
            bin_edges(values, width),
            n_bootstrap=n_bootstrap,
            seed=seed,
        )
    return found


def _values(predictions: Predictions, clip_window: tuple[float, float]) -> Json:
    terms = galaxy_terms(predictions)
    return {
        subset: {
            metric: json_number(value)
            for metric, value in metric_values(select_terms(terms, keep)).items()
        }
        for subset, keep in subset_masks(predictions.z_spec, clip_window).items()
    }
