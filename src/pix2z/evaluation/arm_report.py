"""All numbers of one arm by itself; the content of reports/metrics/<arm>.json."""

from typing import Any

from pix2z.evaluation.arm_galaxies import ArmGalaxies, GalaxyTerms, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import coverage, json_number, metric_intervals
from pix2z.evaluation.binned import BIN_WIDTHS, bin_edges, binned_metrics

__all__ = ["arm_report", "binned_report"]

Json = dict[str, Any]


def arm_report(
    name: str,
    arm: ArmGalaxies,
    *,
    clip_window: tuple[float, float],
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Measure the pool with intervals, each seed, the pool in bins, and its coverage."""
    masks = subset_masks(arm.pool.z_spec, clip_window)
    terms = {subset: select_terms(arm.pool, keep) for subset, keep in masks.items()}
    return {
        "arm": name,
        "n": {subset: len(found) for subset, found in terms.items()},
        "clip_window": list(clip_window),
        "pool": {
            subset: metric_intervals(found, n_bootstrap=n_bootstrap, seed=seed)
            for subset, found in terms.items()
        },
        "seeds": {
            str(number): {
                subset: {metric: json_number(value) for metric, value in values.items()}
                for subset, values in subsets.items()
            }
            for number, subsets in sorted(arm.seeds.items())
        },
        "coverage": {subset: coverage(found.pdf.pit) for subset, found in terms.items()},
        "bins": binned_report(arm.pool, n_bootstrap=n_bootstrap, seed=seed),
    }


def binned_report(pool: GalaxyTerms, *, n_bootstrap: int, seed: int) -> dict[str, list[Json]]:
    """Follow the pool's metrics along every variable of `BIN_WIDTHS`."""
    found = {}
    for variable, width in BIN_WIDTHS.items():
        values = getattr(pool, variable)
        edges = bin_edges(values, width)
        found[variable] = binned_metrics(pool, values, edges, n_bootstrap=n_bootstrap, seed=seed)
    return found
