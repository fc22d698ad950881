"""What takes trainings to answer: importance of the bands, learning curves, sizes without redshift.

Here are the numbers, from scores of finished trainings; `outputs` lists the trainings themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.bootstrap import Resamples, holm
from pix2z.imaging import BANDS
from pix2z.study.intervals import seeds_interval
from pix2z.study.learning_curve import power_law
from pix2z.study.shapley import all_subsets, shapley_values

__all__ = ["band_importance", "gains_on_two_skies", "learning_curves"]

Array = NDArray[np.float64]
Json = dict[str, Any]


def band_importance(crps: Array, z_spec: Array, *, n_bins: int, resamples: Resamples) -> Json:
    """Shapley values of the bands in CRPS, on all test galaxies and in bins of redshift.

    Parameters
    ----------
    crps : (k, 32, n) of k trainings, each subset of the bands and each galaxy.
    z_spec : (n,); the bins hold equal numbers of galaxies.
    resamples : of the groups of the n galaxies.
    """
    values = shapley_values(np.moveaxis(crps[:, :1] - crps, 1, 0))
    edges = np.quantile(z_spec, np.arange(1, n_bins) / n_bins)
    number = np.digitize(z_spec, edges)

    def measured(inside: NDArray[np.bool_]) -> Json:
        return {
            "n": int(np.count_nonzero(inside)),
            "n_seeds": len(crps),
            "z_mean": float(z_spec[inside].mean()),
            "no_band": seeds_interval(crps[:, 0], resamples, inside=inside),
            "all_bands": seeds_interval(crps[:, -1], resamples, inside=inside),
            "shapley": {
                band: seeds_interval(values[index], resamples, inside=inside)
                for index, band in enumerate(BANDS)
            },
        }

    names = ["".join(np.array(list(BANDS))[bands]) for bands in all_subsets(len(BANDS))]
    return {
        "whole": measured(np.ones(len(z_spec), bool)) | {"percent": _percent(values, resamples)},
        "bins": [measured(number == index) for index in range(n_bins)],
        "subsets": {
            name or "none": seeds_interval(crps[:, index], resamples)
            for index, name in enumerate(names)
        },
    }


def _percent(values: Array, resamples: Resamples) -> dict[str, Json]:
    """Give each band's per cent of the gain of all, from Shapley values (bands, k, n).

    The interval of this ratio is that of its linear terms, whose mean is the ratio.
    """
    gain = values.sum(axis=0)
    percent = {}
    for band, of_band in zip(BANDS, values, strict=True):
        share = of_band.mean() / gain.mean()
        terms = share + (of_band - share * gain) / gain.mean()
        percent[band] = seeds_interval(100 * terms, resamples)
    return percent


def learning_curves(
    points: Mapping[str, Mapping[int, Array]], resamples: Resamples
) -> dict[str, Json]:
    """Mean CRPS against the number of training groups, for each architecture.

    Parameters
    ----------
    points : architecture -> number of groups -> CRPS (k, n) of k trainings.

    Returns
    -------
    For each architecture: ``points``; ``change_from`` each smaller size, the CRPS of the largest
    less that one's, paired by seed; ``power_law``, which ``fits`` where ``p_holm``, corrected for
    the number of architectures that can be tested, is at least 0.05.
    """
    curves: dict[str, Json] = {}
    for name, sizes in points.items():
        *smaller, last = sorted(sizes)
        numbers = [n for n, crps in sizes.items() for _ in crps]
        means = np.concatenate([crps.mean(axis=1) for crps in sizes.values()])
        curves[name] = {
            "points": [
                {"n_groups": n, "n_seeds": len(crps), **seeds_interval(crps, resamples)}
                for n, crps in sorted(sizes.items())
            ],
            "change_from": {n: seeds_interval(sizes[last] - sizes[n], resamples) for n in smaller},
            "power_law": power_law(np.array(numbers), means) | {"fits": False},
        }
    laws = [curve["power_law"] for curve in curves.values()]
    tested = [law for law in laws if law["p_lack_of_fit"] is not None]
    for law, p in zip(tested, holm([law["p_lack_of_fit"] for law in tested]), strict=True):
        law |= {"p_holm": p, "fits": p >= 0.05}
    return curves


def gains_on_two_skies(
    skies: Mapping[str, tuple[Mapping[str, Array], NDArray[np.int64]]],
    *,
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Measure what `full` gains over other arms where sizes know the redshift and where not.

    Parameters
    ----------
    skies : sky -> (arm -> CRPS (k, n) of k trainings; object ids (n,)). Galaxies that one sky lacks
        are left out, so that the difference of the gains is paired.
    """
    common = sorted(set.intersection(*(set(ids.tolist()) for _, ids in skies.values())))
    chosen = {
        sky: {arm: crps[:, _places(ids, common)] for arm, crps in arms.items()}
        for sky, (arms, ids) in skies.items()
    }
    # Test galaxies are one stamp per group.
    resamples = Resamples(np.arange(len(common)), n_bootstrap, seed)
    (_, one), (_, other) = chosen.items()
    answer: Json = {"n": len(common), "n_seeds": len(one["full"])}
    for sky, arms in chosen.items():
        answer[sky] = {
            "crps": {arm: seeds_interval(crps, resamples) for arm, crps in arms.items()},
            "gain": {
                arm: seeds_interval(crps - arms["full"], resamples)
                for arm, crps in arms.items()
                if arm != "full"
            },
        }
    answer["rise"] = {arm: seeds_interval(other[arm] - one[arm], resamples) for arm in one}
    answer["difference_of_gains"] = {
        arm: seeds_interval(one[arm] - one["full"] - other[arm] + other["full"], resamples)
        for arm in one
        if arm != "full"
    }
    return answer


def _places(ids: NDArray[np.int64], wanted: Sequence[int]) -> NDArray[np.int64]:
    order = np.argsort(ids)
    return order[np.searchsorted(ids, wanted, sorter=order)]
