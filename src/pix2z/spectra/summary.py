"""What the scores of reconstructed spectra add up to, with intervals from resampling groups."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import product
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
    resamples: Resamples,
    *,
    measured_colours: Array,
    colour_names: tuple[str, ...],
) -> Json:
    """Metrics of one network's spectra as JSON values.

    Parameters
    ----------
    resamples : of the groups of the n galaxies.
    measured_colours : (n, C) of the stamps, by aperture photometry; NaN where not measured.
    """
    against_target = scored.colours - scored.true_colours
    against_measured = scored.colours - measured_colours
    colours = {
        name: {
            "against_target": _spread(against_target[:, place], resamples),
            "against_measured": _spread(against_measured[:, place], resamples),
        }
        for place, name in enumerate(colour_names)
    }
    there = ~np.isnan(scored.line_offset)
    found = np.where(there, np.abs(scored.line_offset) < LINE_FOUND, np.nan)
    whole = {
        "mse": scored.mse,
        "mae": scored.mae,
        "coverage_68": scored.inside68,
        "coverage_95": scored.inside95,
    }
    means = _mean_intervals(whole | {"found": found} | _band_shares(scored), resamples)
    return {
        **{name: means[name] for name in whole},
        "bands": _bands(scored, means),
        "colours": colours,
        "h_alpha": {
            "n": int(there.sum()),
            "found": means["found"],
            "nmad": _spread(scored.line_offset, resamples)["nmad"],
        },
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
    there = [(a, b) for a, b in pairs if a in scores and b in scores]
    for (a, b), (subset, keep), name in product(there, masks.items(), ("mse", "mae")):
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


def _mean_intervals(columns: Mapping[str, Array], resamples: Resamples) -> dict[str, Json]:
    """Means of columns (n,), with 95 % intervals over groups; values that are NaN do not count.

    Every block of resamples is drawn once, for all of them.
    """
    known = {name: np.isfinite(values) for name, values in columns.items()}
    filled = {name: np.where(known[name], values, 0.0) for name, values in columns.items()}
    drawn: dict[str, list[Array]] = {name: [] for name, there in known.items() if there.any()}
    for weights in resamples:
        for name, means in drawn.items():
            count = np.maximum(weights @ known[name], 1e-9)
            means.append((weights @ filled[name]) / count)
    intervals: dict[str, Json] = {}
    for name in columns:
        value, replicates = np.nan, np.empty(0)
        if name in drawn:
            value = float(filled[name].sum() / known[name].sum())
            replicates = np.concatenate(drawn[name])
        intervals[name] = with_interval(value, replicates)
    return intervals


def _spread(difference: Array, resamples: Resamples) -> Json:
    """Count, median and NMAD of differences (n,), with its 95 % interval; NaN does not count."""
    known = np.isfinite(difference)
    if not known.any():
        return {"n": 0, "median": None, "nmad": {"value": None, "low": None, "high": None}}
    ordered = ordered_sample(difference[known])

    def nmad(weights: Array) -> Array:
        sample = weighted_sample(ordered, weights)
        return 1.4826 * absolute_deviation(sample, quantile(sample, 0.5))

    n = int(known.sum())
    drawn = replace(resamples, group_id=resamples.group_id[known]).replicates(nmad)
    value = float(nmad(np.ones((1, n)))[0])
    median = float(np.median(difference[known]))
    return {"n": n, "median": median, "nmad": with_interval(value, drawn)}


def _band_shares(scored: ScoredSpectra) -> dict[str, Array]:
    """Shares (n,) of what lies in bands, by the names that `_bands` looks for."""
    shares = {
        "continuum coverage_68": scored.continuum68,
        "continuum coverage_95": scored.continuum95,
    }
    for blend, name in enumerate(BLENDS):
        shares |= {
            f"{name} coverage_68": scored.lines68[:, blend],
            f"{name} coverage_95": scored.lines95[:, blend],
            f"{name} in_continuum_95": scored.lines_in_continuum95[:, blend],
        }
    return shares


def _bands(scored: ScoredSpectra, means: Mapping[str, Json]) -> Json:
    """Say what the bands hold away from lines and at the centres of those of each blend.

    ``in_continuum_95`` is what the band away from lines would hold there; ``half_width_95`` are
    medians over galaxies, relative to the flux in r, None where a network has no band for lines.
    """

    def middle(half: Array) -> float | None:
        known = half[np.isfinite(half)]
        return float(np.median(known)) if len(known) else None

    lines = {
        name: {
            "coverage_68": means[f"{name} coverage_68"],
            "coverage_95": means[f"{name} coverage_95"],
            "in_continuum_95": means[f"{name} in_continuum_95"],
            "half_width_95": middle(scored.line_half95[:, blend]),
        }
        for blend, name in enumerate(BLENDS)
    }
    continuum = {
        "coverage_68": means["continuum coverage_68"],
        "coverage_95": means["continuum coverage_95"],
        "half_width_95": middle(scored.half95),
    }
    return {"continuum": continuum, "lines": lines}
