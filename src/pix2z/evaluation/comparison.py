"""The valid comparison: the same test galaxies, redshift units, paired intervals over groups.

Arms are judged by their pool of seeds. Each subset of the test set (whole, inside and outside the
clip window) is resampled by its own groups, so that none is ever empty, and all arms are measured
on the same resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import SUBSETS, ArmGalaxies, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import (
    bootstrap_replicates,
    json_number,
    metric_values,
    seed_spread,
    with_interval,
)
from pix2z.evaluation.bootstrap import bootstrap_p, holm, interval
from pix2z.evaluation.contrasts import (
    CONTRAST_METRICS,
    PAIRS,
    Contrast,
    is_primary,
    subset_phrase,
    verdict,
)
from pix2z.evaluation.metric_names import METRICS

__all__ = ["compare"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Measured:
    """Metrics of every arm on one subset, by arm and metric.

    values; replicates (B,) over test galaxies; spread: sd over training seeds, of which an arm has
    n_seeds (a control none).
    """

    n: int
    values: Mapping[str, Mapping[str, float]]
    replicates: Mapping[str, Mapping[str, Array]]
    spread: Mapping[str, Mapping[str, float | None]]
    n_seeds: Mapping[str, int]
    seed: int


def compare(
    arms: Mapping[str, ArmGalaxies],
    controls: Mapping[str, ArmGalaxies],
    *,
    clip_window: tuple[float, float],
    test_digest: str,
    seed_view: Json,
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Compare arms and controls on one test set; the content of reports/compare.json.

    Raises InputError where two of them did not predict the same test galaxies in the same order.
    """
    everyone = {**arms, **controls}
    _check_same_galaxies(everyone)
    first = next(iter(everyone.values())).pool
    masks = subset_masks(first.z_spec, clip_window)
    measured = {
        subset: _measure(everyone, subset, masks[subset], n_bootstrap=n_bootstrap, seed=seed)
        for subset in SUBSETS
    }
    high_only = not bool((first.z_spec < clip_window[0]).any())
    return {
        "test": {
            "digest": test_digest,
            "n": len(first),
            "n_inside": int(masks["inside"].sum()),
            "clip_window": list(clip_window),
        },
        "arms": {name: _summary(name, arm, measured) for name, arm in arms.items()},
        "controls": {name: _summary(name, arm, measured) for name, arm in controls.items()},
        "contrasts": _contrasts(measured, high_only=high_only),
        "seed_view": seed_view,
    }


def _check_same_galaxies(everyone: Mapping[str, ArmGalaxies]) -> None:
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


def _measure(
    everyone: Mapping[str, ArmGalaxies],
    subset: str,
    keep: Mask,
    *,
    n_bootstrap: int,
    seed: int,
) -> _Measured:
    # One arm after the other, each on the same resamples: only their metrics are held.
    values, replicates = {}, {}
    for name, arm in everyone.items():
        chosen = select_terms(arm.pool, keep)
        values[name] = metric_values(chosen)
        every = bootstrap_replicates(chosen, n_bootstrap=n_bootstrap, seed=seed)
        replicates[name] = {metric: every[metric] for metric in METRICS}
    return _Measured(
        n=int(keep.sum()),
        values=values,
        replicates=replicates,
        spread={name: _spread(arm, subset) for name, arm in everyone.items()},
        n_seeds={name: len(arm.seeds) for name, arm in everyone.items()},
        seed=seed,
    )


def _spread(arm: ArmGalaxies, subset: str) -> dict[str, float | None]:
    """Sd of each metric over the arm's training seeds; empty for a control."""
    spread = seed_spread([dict(values[subset]) for values in arm.seeds.values()])
    return {metric: spread[metric] for metric in METRICS if metric in spread}


def _summary(
    name: str,
    arm: ArmGalaxies,
    measured: Mapping[str, _Measured],
) -> Json:
    """One arm's entry; `seed_sd` is over the whole test set."""
    subsets = {subset: _metrics(on_subset, name) for subset, on_subset in measured.items()}
    return {
        **subsets,
        "seeds": sorted(arm.seeds),
        "seed_sd": dict(measured["whole"].spread[name]),
        "n_train": arm.n_train,
        "cpu_seconds": arm.cpu_seconds,
    }


def _metrics(measured: _Measured, name: str) -> Json:
    values, replicates = measured.values[name], measured.replicates[name]
    return {metric: with_interval(values[metric], replicates[metric]) for metric in METRICS}


def _contrasts(
    measured: Mapping[str, _Measured],
    *,
    high_only: bool,
) -> list[Json]:
    """Every contrast of every present pair, the primary ones first."""
    present = measured["whole"].values
    wanted = [
        (a, b, subset, metric)
        for a, b in PAIRS
        if a in present and b in present
        for subset in SUBSETS
        for metric in CONTRAST_METRICS
    ]
    wanted.sort(key=lambda key: not is_primary(*key))  # stable: the order within stays
    p_holm = _corrected(measured, [key for key in wanted if is_primary(*key)])
    entries = []
    for key in wanted:
        a, b, subset, metric = key
        contrast = _contrast(measured[subset], key, p_holm.get(key))
        where = subset_phrase(subset, measured[subset].n, high_only=high_only)
        single = [arm for arm in (a, b) if measured[subset].n_seeds[arm] == 1]
        entry: Json = {"a": a, "b": b, "subset": subset, "metric": metric}
        entry |= {"difference": contrast.difference, "low": contrast.low, "high": contrast.high}
        entry["primary"] = is_primary(*key)
        if entry["primary"]:
            entry["p_holm"] = contrast.p_holm
        entries.append(entry | {"verdict": verdict(contrast, where=where, single_seed=single)})
    return entries


def _difference(measured: _Measured, key: tuple[str, str, str, str]) -> tuple[float, Array]:
    a, b, _, metric = key
    value = measured.values[a][metric] - measured.values[b][metric]
    replicates = measured.replicates[a][metric] - measured.replicates[b][metric]
    return value, replicates + _training_noise(measured, key, len(replicates))


def _training_noise(measured: _Measured, key: tuple[str, str, str, str], n: int) -> Array:
    """Draw (n,) shifts of a difference that other training seeds would have made.

    A pool of k seeds scatters by about sd / sqrt(k); with so few seeds that sd is uncertain too,
    hence Student's t with the degrees of freedom of both arms. 0 where no arm has several seeds.
    """
    a, b, _, metric = key
    variance, freedom = 0.0, 0
    for arm in (a, b):
        sd, seeds = measured.spread[arm].get(metric), measured.n_seeds[arm]
        if sd is not None and seeds > 1:
            variance += sd**2 / seeds
            freedom += seeds - 1
    if not freedom:
        return np.zeros(n)
    rng = np.random.default_rng([measured.seed, crc32("/".join(key).encode())])
    return np.asarray(np.sqrt(variance) * rng.standard_t(freedom, n))


def _corrected(
    measured: Mapping[str, _Measured], primary: list[tuple[str, str, str, str]]
) -> dict[tuple[str, str, str, str], float]:
    """Holm's p of each primary contrast that is defined."""
    p_values = {}
    for key in primary:
        difference, replicates = _difference(measured[key[2]], key)
        if np.isfinite(difference):
            p_values[key] = bootstrap_p(difference, replicates)
    return dict(zip(p_values, holm(list(p_values.values())), strict=True))


def _contrast(
    measured: _Measured, key: tuple[str, str, str, str], p_holm: float | None
) -> Contrast:
    difference, replicates = _difference(measured, key)
    low, high = interval(replicates)
    return Contrast(
        *key,
        difference=json_number(difference),
        low=json_number(low),
        high=json_number(high),
        p_holm=p_holm,
    )
