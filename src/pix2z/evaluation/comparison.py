"""The valid comparison: the same test galaxies, redshift units, paired intervals over groups.

Arms are judged by their pool of seeds, but for contrasts that the random subsample takes part in
(see `contrasts`). All are measured on the same resamples, which give the intervals of arms, and of
differences of metrics that are no means over galaxies; those of means, CRPS among them, are in
closed form and depend on no seed.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import ArmGalaxies, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import Measured, json_number, with_limits
from pix2z.evaluation.bootstrap import holm
from pix2z.evaluation.contrasts import (
    CONTRAST_METRICS,
    DETERMINISTIC,
    NETWORK_METRICS,
    PAIRS,
    PRIMARY,
    TOLD,
    by_networks,
    family,
    outcome,
    subset_phrase,
    verdict,
)
from pix2z.evaluation.metric_names import METRICS, margin_of
from pix2z.evaluation.paired import Judged, difference, interval_of, of_pool

__all__ = ["compare", "contrasts"]

Mask = NDArray[np.bool_]
Json = dict[str, Any]
Arms = Mapping[str, ArmGalaxies]
Measurements = Mapping[str, Mapping[str, Measured]]
"""Name of an arm or control -> subset of the test galaxies -> its metrics there."""
Key = tuple[str, str, str, str]
"""Of a contrast: arms a and b, subset, metric; the difference is a minus b."""


def compare(
    arms: Arms,
    controls: Arms,
    measured: Measurements,
    *,
    clip_window: tuple[float, float],
    test_digest: str,
    published_view: Json,
    margin: float,
) -> Json:
    """Compare arms and controls, at least one, on one test set; content of reports/compare.json.

    Parameters
    ----------
    arms, controls : on the same galaxies in the same order.
    measured : each of them, from `measure_subsets`.
    margin : see `contrasts`.
    """
    everyone = {**arms, **controls}
    z_spec = next(iter(everyone.values())).pool.z_spec
    masks = subset_masks(z_spec, clip_window)
    high_only = not bool((z_spec < clip_window[0]).any())
    where = {
        subset: subset_phrase(subset, int(keep.sum()), high_only=high_only)
        for subset, keep in masks.items()
    }
    return {
        "test": {
            "digest": test_digest,
            "n": len(z_spec),
            "n_inside": int(masks["inside"].sum()),
            "clip_window": list(clip_window),
            "outside_is_high": high_only,
        },
        "arms": {name: _summary(arm, measured[name]) for name, arm in arms.items()},
        "controls": {name: _summary(arm, measured[name]) for name, arm in controls.items()},
        "margin": margin,
        "contrasts": [
            entry | {"verdict": verdict(entry, where=where[entry["subset"]], margin=margin)}
            for entry in contrasts(everyone, measured, masks, margin=margin)
        ],
        "published_view": published_view,
    }


def _summary(arm: ArmGalaxies, measured: Mapping[str, Measured]) -> Json:
    """One arm's entry; `seed_sd` is over the whole test set."""
    intervals = {subset: of_subset.intervals() for subset, of_subset in measured.items()}
    return {
        **{subset: {metric: of[metric] for metric in METRICS} for subset, of in intervals.items()},
        "seeds": sorted(arm.seeds),
        "seed_sd": {metric: _seed_sd(arm, metric) for metric in METRICS if arm.seeds},
        "n_train": arm.n_train,
        "cpu_seconds": arm.cpu_seconds,
    }


def _seed_sd(arm: ArmGalaxies, metric: str) -> float | None:
    """Sd (ddof 1) of a metric over an arm's training seeds; None for fewer than two."""
    values = [of_seed["whole"][metric] for of_seed in arm.seeds.values()]
    return json_number(float(np.std(values, ddof=1))) if len(values) > 1 else None


def contrasts(
    everyone: Arms,
    measured: Measurements,
    masks: Mapping[str, Mask],
    *,
    metrics: Collection[str] = CONTRAST_METRICS,
    margin: float,
) -> list[Json]:
    """Every contrast of every present pair, the primary ones first; all but its verdict in words.

    Parameters
    ----------
    everyone : arms and controls by name.
    measured : at least the `metrics` of each.
    masks : subset -> which galaxies are in it.
    margin : share of the error of `full`, or where it is absent of the first arm.
    """
    keys = [
        (a, b, subset, metric)
        for a, b in PAIRS
        if a in everyone and b in everyone
        for subset in masks
        if subset == "inside" or not {a, b} & TOLD
        for metric in metrics
        if metric in NETWORK_METRICS or not by_networks(a, b)
    ]
    families = [*PRIMARY, None]
    keys.sort(key=lambda key: families.index(family(*key)))  # stable: the order within stays
    reference = "full" if "full" in everyone else next(iter(everyone))
    entries = []
    for key in keys:
        _, _, subset, metric = key
        error = measured[reference][subset].values[metric]
        of_error = {"margin": margin_of(metric, error, share=margin)}
        entries.append(_entry(key, everyone, measured, masks[subset]) | of_error)
    for name in PRIMARY:
        of_family = [e for e in entries if e["family"] == name and e["p_holm"] is not None]
        corrected = holm([entry["p_holm"] for entry in of_family])
        for entry, p_holm in zip(of_family, corrected, strict=True):
            entry["p_holm"] = p_holm
    for entry in entries:
        entry["outcome"] = outcome(entry, better=METRICS[entry["metric"]].better)
    return entries


def _entry(key: Key, everyone: Arms, measured: Measurements, keep: Mask) -> Json:
    """One contrast with its chance; a primary one's p not yet corrected."""
    a, b, subset, metric = key
    single = by_networks(a, b)
    judged_a, judged_b = (
        _judged(everyone[name], measured[name][subset], subset, keep, metric, single=single)
        for name in (a, b)
    )
    group_id = everyone[a].pool.group_id[keep]
    found = difference(judged_a, judged_b, group_id)
    primary = family(*key) is not None
    entry = {
        **{"a": a, "b": b, "subset": subset, "metric": metric},
        **{"value_a": json_number(judged_a.value), "value_b": json_number(judged_b.value)},
        "judged_by": "networks" if single else "pools",
        **interval_of(found),
        "single_seed": [name for name in (a, b) if _trained_once(name, everyone[name])],
        **{"primary": primary, "family": family(*key)},
        **({"p_holm": json_number(found.p)} if primary else {}),
    }
    if metric == "crps":
        entry["ratio"] = _ratio(judged_a, judged_b, group_id)
    return entry


def _judged(
    arm: ArmGalaxies, measured: Measured, subset: str, keep: Mask, metric: str, *, single: bool
) -> Judged:
    """Judge an arm by its pool, or by the mean over its `single` networks."""
    seeds = [of_seed[subset][metric] for of_seed in arm.seeds.values()]
    if not single:
        return of_pool(select_terms(arm.pool, keep), measured, metric, seeds=seeds)
    terms = arm.of_networks[metric][keep]
    return Judged(float(terms.mean()) if len(terms) else np.nan, terms, seeds=seeds)


def _trained_once(name: str, arm: ArmGalaxies) -> bool:
    """Tell whether the scatter of an arm's trainings exists and is not known."""
    return len(arm.seeds) < 2 and name not in DETERMINISTIC


def _ratio(a: Judged, b: Judged, group_id: NDArray[np.int64]) -> Json:
    """CRPS of a in units of that of b, with its 95 % interval by the delta method.

    With the ratio r = a / b, that of a - r b, which is 0, is divided by b.
    """
    ratio = a.value / b.value
    about = difference(a, b, group_id, scale=ratio)
    return with_limits(ratio, ratio + about.low / b.value, ratio + about.high / b.value)
