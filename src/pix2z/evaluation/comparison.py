"""The valid comparison: the same test galaxies, redshift units, paired intervals over groups.

Arms are judged by their pool of seeds. Each subset of the test set (whole, inside and outside the
clip window) is resampled by its own groups, so that none is ever empty, and all arms are measured
on the same resamples.
"""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import Measured, json_number, measure, with_interval
from pix2z.evaluation.bootstrap import bootstrap_p, holm
from pix2z.evaluation.contrasts import (
    CONTRAST_METRICS,
    PAIRS,
    is_primary,
    subset_phrase,
    verdict,
)
from pix2z.evaluation.metric_names import METRICS

__all__ = ["compare"]

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
        "contrasts": _contrasts(everyone, measured, where, seed=seed),
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
        "seed_sd": {metric: _seed_sd(arm, "whole", metric) for metric in METRICS if arm.seeds},
        "n_train": arm.n_train,
        "cpu_seconds": arm.cpu_seconds,
    }


def _seed_sd(arm: ArmGalaxies, subset: str, metric: str) -> float | None:
    """Sd (ddof 1) of a metric over an arm's training seeds; None for fewer than two."""
    values = [of_seed[subset][metric] for of_seed in arm.seeds.values()]
    return json_number(float(np.std(values, ddof=1))) if len(values) > 1 else None


def _contrasts(
    everyone: Arms,
    measured: Mapping[str, Mapping[str, Measured]],
    where: Mapping[str, str],
    *,
    seed: int,
) -> list[Json]:
    """Every contrast of every present pair, the primary ones first."""
    keys = [
        (a, b, subset, metric)
        for a, b in PAIRS
        if a in everyone and b in everyone
        for subset in measured
        for metric in CONTRAST_METRICS
    ]
    keys.sort(key=lambda key: not is_primary(*key))  # stable: the order within stays
    entries: dict[Key, Json] = {}
    p_values: dict[Key, float] = {}
    for key in keys:
        a, b, subset, metric = key
        difference, drawn = measured[subset][a].difference(measured[subset][b], metric)
        drawn = drawn + _training_noise(everyone, key, len(drawn), seed=seed)
        entries[key] = {"a": a, "b": b, "subset": subset, "metric": metric}
        entries[key] |= with_interval(difference, drawn, name="difference")
        entries[key]["primary"] = is_primary(*key)
        if is_primary(*key):
            entries[key]["p_holm"] = None
            if np.isfinite(difference):
                p_values[key] = bootstrap_p(difference, drawn)
    for key, p_holm in zip(p_values, holm(list(p_values.values())), strict=True):
        entries[key]["p_holm"] = p_holm
    for entry in entries.values():
        single = [name for name in (entry["a"], entry["b"]) if len(everyone[name].seeds) == 1]
        entry["verdict"] = verdict(entry, where=where[entry["subset"]], single_seed=single)
    return list(entries.values())


def _training_noise(everyone: Arms, key: Key, n: int, *, seed: int) -> Array:
    """Draw (n,) shifts of a difference that other training seeds would have made.

    A pool of k seeds scatters by about sd / sqrt(k); with so few seeds that sd is uncertain too,
    hence Student's t with the degrees of freedom of both arms. 0 where no arm has several seeds.
    """
    a, b, subset, metric = key
    variance, freedom = 0.0, 0
    for arm in (everyone[a], everyone[b]):
        sd, seeds = _seed_sd(arm, subset, metric), len(arm.seeds)
        if sd is not None:
            variance += sd**2 / seeds
            freedom += seeds - 1
    if not freedom:
        return np.zeros(n)
    rng = np.random.default_rng([seed, crc32("/".join(key).encode())])
    return np.asarray(np.sqrt(variance) * rng.standard_t(freedom, n))
