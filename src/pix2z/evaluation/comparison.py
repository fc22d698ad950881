"""The valid comparison: the same test galaxies, redshift units, paired intervals over groups.

Arms are judged by their pool of seeds. Each subset of the test set (whole, inside and outside the
clip window) is resampled by its own groups, so that none is ever empty, and all arms are measured
on the same resamples.
"""

from collections.abc import Collection, Mapping
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import Measured, json_number, measure, with_interval
from pix2z.evaluation.bootstrap import bootstrap_p, holm, training_shifts
from pix2z.evaluation.contrasts import (
    CONTRAST_METRICS,
    PAIRS,
    TOLD,
    is_primary,
    outcome,
    subset_phrase,
    verdict,
)
from pix2z.evaluation.metric_names import METRICS, margin_of

__all__ = ["compare", "contrasts"]

Array = NDArray[np.float64]
Json = dict[str, Any]
Arms = Mapping[str, ArmGalaxies]
Key = tuple[str, str, str, str]
"""Of a contrast: arms a and b, subset, metric; the difference is a minus b."""


def compare(
    arms: Arms,
    controls: Arms,
    *,
    clip_window: tuple[float, float],
    test_digest: str,
    published_view: Json,
    margin: float,
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Compare arms and controls on one test set; the content of reports/compare.json.

    Raises InputError where two of them did not predict the same test galaxies in the same order.
    """
    everyone = {**arms, **controls}
    _check_same_galaxies(everyone)
    z_spec = next(iter(everyone.values())).pool.z_spec
    masks = subset_masks(z_spec, clip_window)
    resampling: Json = {"n_bootstrap": n_bootstrap, "seed": seed, "only": METRICS}
    measured = {
        subset: {
            name: measure(select_terms(arm.pool, keep), **resampling)
            for name, arm in everyone.items()
        }
        for subset, keep in masks.items()
    }
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
        "arms": {name: _summary(name, arm, measured) for name, arm in arms.items()},
        "controls": {name: _summary(name, arm, measured) for name, arm in controls.items()},
        "margin": margin,
        "contrasts": [
            entry | {"verdict": verdict(entry, where=where[entry["subset"]], margin=margin)}
            for entry in contrasts(everyone, measured, margin=margin, seed=seed)
        ],
        "published_view": published_view,
    }


def _check_same_galaxies(everyone: Arms) -> None:
    if not everyone:
        raise InputError("predictions: expected at least one arm or control; received none")
    reference_name, reference = next((name, arm.pool) for name, arm in everyone.items())
    for name, arm in everyone.items():
        same = np.array_equal(arm.pool.object_id, reference.object_id)
        if not (same and np.array_equal(arm.pool.group_id, reference.group_id)):
            raise InputError(
                f"predictions/{name}: expected the test galaxies of {reference_name} in the "
                f"same order ({len(reference)}); received others ({len(arm.pool)})"
            )


def _summary(name: str, arm: ArmGalaxies, measured: Mapping[str, Mapping[str, Measured]]) -> Json:
    """One arm's entry; `seed_sd` is over the whole test set."""
    intervals = {subset: of_arms[name].intervals() for subset, of_arms in measured.items()}
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
    measured: Mapping[str, Mapping[str, Measured]],
    *,
    metrics: Collection[str] = CONTRAST_METRICS,
    margin: float,
    seed: int,
) -> list[Json]:
    """Every contrast of every present pair, the primary ones first; all but its verdict in words.

    Parameters
    ----------
    everyone : arms and controls by name.
    measured : subset -> name -> at least the `metrics`.
    margin : share of the error of `full`, or where it is absent of the first arm.
    """
    keys = [
        (a, b, subset, metric)
        for a, b in PAIRS
        if a in everyone and b in everyone
        for subset in measured
        if subset == "inside" or not {a, b} & TOLD
        for metric in metrics
    ]
    keys.sort(key=lambda key: not is_primary(*key))  # stable: the order within stays
    reference = "full" if "full" in everyone else next(iter(everyone))
    entries: list[Json] = []
    p_values: dict[int, float] = {}  # by place among the entries
    for key in keys:
        a, b, subset, metric = key
        value, drawn = measured[subset][a].difference(measured[subset][b], metric)
        drawn = drawn + _training_shifts(everyone, key, len(drawn), seed=seed)
        error = measured[subset][reference].values[metric]
        entry = {
            **{"a": a, "b": b, "subset": subset, "metric": metric},
            **with_interval(value, drawn, name="difference"),
            "margin": margin_of(metric, error, share=margin),
            "single_seed": [name for name in (a, b) if len(everyone[name].seeds) == 1],
            "primary": is_primary(*key),
        }
        if metric == "crps":
            entry["ratio"] = _ratio(measured[subset][b], value, drawn)
        if entry["primary"]:
            entry["p_holm"] = None
            if np.isfinite(value):
                p_values[len(entries)] = bootstrap_p(value, drawn)
        entries.append(entry)
    for place, p_holm in zip(p_values, holm(list(p_values.values())), strict=True):
        entries[place]["p_holm"] = p_holm
    for entry in entries:
        entry["outcome"] = outcome(entry, better=METRICS[entry["metric"]].better)
    return entries


def _ratio(of_b: Measured, difference: float, drawn: Array) -> Json:
    """CRPS of a in units of that of b, with its 95 % interval."""
    return with_interval(1 + difference / of_b.values["crps"], 1 + drawn / of_b.replicates["crps"])


def _training_shifts(everyone: Arms, key: Key, n: int, *, seed: int) -> Array:
    a, b, subset, metric = key
    pools = [
        [of_seed[subset][metric] for of_seed in everyone[name].seeds.values()] for name in (a, b)
    ]
    rng = np.random.default_rng([seed, crc32("/".join(key).encode())])
    return training_shifts(pools, n, rng=rng)
