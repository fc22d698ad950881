"""What the scores of reconstructed spectra add up to, with intervals from resampling groups."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_metrics import with_interval
from pix2z.evaluation.bootstrap import Resamples, chance_of_groups, student
from pix2z.evaluation.contrasts import outcome
from pix2z.evaluation.paired import interval_of
from pix2z.evaluation.weighted import (
    absolute_deviation,
    ordered_sample,
    quantile,
    weighted_sample,
)
from pix2z.spectra.scores import ScoredSpectra
from pix2z.wavelengths.lines import BLENDS, LIGHT_SPEED, LINE_REACH

__all__ = ["compare_spectra", "spectrum_summary"]

LINE_FOUND = LINE_REACH / LIGHT_SPEED
"""Largest relative offset of a line that counts as found: 300 km/s."""

Array = NDArray[np.float64]
Json = dict[str, Any]


def spectrum_summary(
    scored: ScoredSpectra,
    *,
    group_id: NDArray[np.int64],
    measured_colours: Array,
    colour_names: tuple[str, ...],
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Metrics of one network's spectra as JSON values.

    Parameters
    ----------
    measured_colours : (n, C) of the stamps, by aperture photometry; NaN where not measured.
    """
    resampling = (group_id, n_bootstrap, seed)

    def spread(difference: Array) -> Json:
        return _spread(difference, *resampling)

    colours = {
        name: {
            "against_target": spread(scored.colours[:, i] - scored.true_colours[:, i]),
            "against_measured": spread(scored.colours[:, i] - measured_colours[:, i]),
        }
        for i, name in enumerate(colour_names)
    }
    return {
        "mse": _mean_interval(scored.mse, *resampling),
        "mae": _mean_interval(scored.mae, *resampling),
        "coverage_68": _mean_interval(scored.inside68, *resampling),
        "coverage_95": _mean_interval(scored.inside95, *resampling),
        "bands": _bands(scored, *resampling),
        "colours": colours,
        "h_alpha": _line_summary(scored.line_offset, *resampling),
    }


def compare_spectra(
    scores: Mapping[str, ScoredSpectra],
    pairs: tuple[tuple[str, str], ...],
    masks: Mapping[str, NDArray[np.bool_]],
    *,
    trained: Collection[str],
    group_id: NDArray[np.int64],
    margin: float,
) -> list[Json]:
    """Paired differences, a minus b, of the mean error of spectra, on subsets of the galaxies.

    Parameters
    ----------
    trained : the names of networks. Each was trained once, so the scatter of its trainings is not
        known, and the rules of `evaluation.contrasts` for such arms hold.
    margin : share of the error of `full`, or where it is absent of the first of `scores`.
    """
    entries = []
    reference = scores["full" if "full" in scores else next(iter(scores))]
    for a, b in pairs:
        if a not in scores or b not in scores:
            continue
        for subset, keep in masks.items():
            for name in ("mse", "mae"):
                paired = getattr(scores[a], name)[keep] - getattr(scores[b], name)[keep]
                known = np.isfinite(paired)
                mean = float(paired[known].mean()) if known.any() else np.nan
                chance = chance_of_groups(paired[known], group_id[keep][known])
                errors = getattr(reference, name)[keep]
                errors = errors[np.isfinite(errors)]
                entry = {
                    **{"a": a, "b": b, "subset": subset, "metric": name},
                    **interval_of(student(mean, [chance])),
                    "margin": margin * float(errors.mean()) if len(errors) else None,
                    "single_seed": [arm for arm in (a, b) if arm in trained],
                }
                entries.append(entry | {"outcome": outcome(entry, better="lower")})
    return entries


def _mean_interval(
    values: Array,
    group_id: NDArray[np.int64],
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Mean of values (n,), with the 95 % interval over groups; those that are NaN do not count."""
    known = np.isfinite(values)
    if not known.any():
        return {"value": None, "low": None, "high": None}
    filled = np.where(known, values, 0.0)
    drawn = Resamples(group_id, n_bootstrap, seed).replicates(
        lambda weights: (weights @ filled) / np.maximum(weights @ known, 1e-9)
    )
    return with_interval(float(filled.sum() / known.sum()), drawn)


def _spread(difference: Array, group_id: NDArray[np.int64], n_bootstrap: int, seed: int) -> Json:
    """Count, median and NMAD of differences (n,), with its 95 % interval; NaN does not count."""
    known = np.isfinite(difference)
    if not known.any():
        return {"n": 0, "median": None, "nmad": {"value": None, "low": None, "high": None}}
    ordered = ordered_sample(difference[known])

    def nmad(weights: Array) -> Array:
        sample = weighted_sample(ordered, weights)
        return 1.4826 * absolute_deviation(sample, quantile(sample, 0.5))

    n = int(known.sum())
    drawn = Resamples(group_id[known], n_bootstrap, seed).replicates(nmad)
    value = float(nmad(np.ones((1, n)))[0])
    median = float(np.median(difference[known]))
    return {"n": n, "median": median, "nmad": with_interval(value, drawn)}


def _bands(scored: ScoredSpectra, group_id: NDArray[np.int64], n_bootstrap: int, seed: int) -> Json:
    """Say what the bands hold away from lines and at the centres of those of each blend.

    ``in_continuum_95`` is what the band away from lines would hold there; ``half_width_95`` are
    medians over galaxies, relative to the flux in r, None where a network has no band for lines.
    """

    def mean(values: Array) -> Json:
        return _mean_interval(values, group_id, n_bootstrap, seed)

    def middle(half: Array) -> float | None:
        known = half[np.isfinite(half)]
        return float(np.median(known)) if len(known) else None

    lines = {
        name: {
            "coverage_68": mean(scored.lines68[:, blend]),
            "coverage_95": mean(scored.lines95[:, blend]),
            "in_continuum_95": mean(scored.lines_in_continuum95[:, blend]),
            "half_width_95": middle(scored.line_half95[:, blend]),
        }
        for blend, name in enumerate(BLENDS)
    }
    continuum = {
        "coverage_68": mean(scored.continuum68),
        "coverage_95": mean(scored.continuum95),
        "half_width_95": middle(scored.half95),
    }
    return {"continuum": continuum, "lines": lines}


def _line_summary(offset: Array, group_id: NDArray[np.int64], n_bootstrap: int, seed: int) -> Json:
    """How often a line that is there is found, and how far from its place, with intervals."""
    there = ~np.isnan(offset)
    found = np.where(there, np.abs(offset) < LINE_FOUND, np.nan)
    return {
        "n": int(there.sum()),
        "found": _mean_interval(found, group_id, n_bootstrap, seed),
        "nmad": _spread(offset, group_id, n_bootstrap, seed)["nmad"],
    }
