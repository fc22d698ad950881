"""Every metric of one arm: values, intervals, coverage, spread of seeds, and along variables.

Binned by z_spec, metrics tell how well a galaxy of that redshift is measured, binned by z_phot how
far an estimate of that value can be trusted: two different questions (Lin et al. 2022).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import ArmGalaxies, GalaxyTerms, select_terms, subset_masks
from pix2z.evaluation.bootstrap import (
    Resamples,
    binomial_band,
    distance_interval,
    independent,
    interval,
)
from pix2z.evaluation.pdf_metrics import (
    COVERAGE,
    PDF_METRICS,
    covered,
    pdf_metric_replicates,
    prepared_pdf_terms,
)
from pix2z.evaluation.point_metrics import POINT_METRICS, point_metric_replicates, point_terms

__all__ = [
    "Measured",
    "arm_report",
    "binned_reports",
    "coverage",
    "json_number",
    "measure",
    "measure_all",
    "measure_subsets",
    "metric_values",
    "subset_values",
    "with_interval",
    "with_limits",
]

Array = NDArray[np.float64]
Json = dict[str, Any]

ALL_METRICS = (*POINT_METRICS, *PDF_METRICS)

BINNED_METRICS = ("bias_mean", "nmad", "crps")

BIN_WIDTHS = {"z_spec": 0.025, "z_phot": 0.025, "mag_r": 0.5, "ebv": 0.02}
"""Variables that metrics are followed along, with the width of their bins."""

MIN_PER_BIN = 8
"""Bins with fewer galaxies say nothing, and are left empty."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Metrics of one sample by name: values, and what they are on each resample, (B,)."""

    values: dict[str, float]
    replicates: dict[str, Array]

    def interval(self, metric: str) -> tuple[float, float]:
        """95 % interval of a metric over groups; NaN where no resample defines it."""
        drawn = self.replicates[metric]
        if metric == "pit_ks" and len(drawn):
            return distance_interval(self.values[metric], drawn)
        return interval(drawn)

    def intervals(self) -> dict[str, Json]:
        """Every metric as {"value", "low", "high"}, null where undefined."""
        return {
            name: with_limits(value, *self.interval(name)) for name, value in self.values.items()
        }

    def difference(self, other: "Measured", metric: str) -> tuple[float, Array]:
        """How much larger a metric is here than there: value, and (B,) on the same resamples."""
        drawn = self.replicates[metric] - other.replicates[metric]
        return self.values[metric] - other.values[metric], drawn


def metric_values(terms: GalaxyTerms, *, only: Collection[str] = ALL_METRICS) -> dict[str, float]:
    """Every metric of the sample itself, or `only` some; NaN where undefined."""
    plain = _replicates({"": terms}, [np.ones((1, len(terms)))], only)[""]
    return {name: float(values[0]) for name, values in plain.items()}


def subset_values(
    terms: GalaxyTerms, clip_window: tuple[float, float]
) -> dict[str, dict[str, float]]:
    """Every metric on each subset of the test galaxies."""
    masks = subset_masks(terms.z_spec, clip_window)
    return {subset: metric_values(select_terms(terms, keep)) for subset, keep in masks.items()}


def measure(
    terms: GalaxyTerms, *, n_bootstrap: int, seed: int, only: Collection[str] = ALL_METRICS
) -> Measured:
    """Work out every metric, or `only` some, on the sample and on its resamples of groups.

    The same groups and seed give the same resamples, whatever the arm: differences are paired. Of
    an empty sample there are none.
    """
    return measure_all({"": terms}, n_bootstrap=n_bootstrap, seed=seed, only=only)[""]


def measure_all(
    samples: Mapping[str, GalaxyTerms],
    *,
    n_bootstrap: int,
    seed: int,
    only: Collection[str] = ALL_METRICS,
) -> dict[str, Measured]:
    """Measure samples by name that hold the same groups, row by row: resamples are drawn once."""
    group_id = next(iter(samples.values())).group_id
    if not all(np.array_equal(terms.group_id, group_id) for terms in samples.values()):
        raise ValueError("samples must have the same group_id, row by row")
    replicates = _replicates(samples, Resamples(group_id, n_bootstrap, seed), only)
    return {
        name: Measured(metric_values(terms, only=only), replicates[name])
        for name, terms in samples.items()
    }


def measure_subsets(
    pools: Mapping[str, GalaxyTerms],
    clip_window: tuple[float, float],
    *,
    n_bootstrap: int,
    seed: int,
) -> dict[str, dict[str, Measured]]:
    """Measure pools of the same galaxies on each subset of them: name -> subset -> metrics.

    Resamples are those of a subset's own groups: none is empty.
    """
    measured: dict[str, dict[str, Measured]] = {name: {} for name in pools}
    for subset, keep in subset_masks(next(iter(pools.values())).z_spec, clip_window).items():
        of_subset = {name: select_terms(pool, keep) for name, pool in pools.items()}
        for name, of in measure_all(of_subset, n_bootstrap=n_bootstrap, seed=seed).items():
            measured[name][subset] = of
    return measured


def with_interval(value: float, replicates: Array) -> Json:
    """``{"value", "low", "high"}``, with the 95 % interval of replicates (B,); None for NaN."""
    return with_limits(value, *interval(replicates))


def with_limits(value: float, low: float, high: float, *, name: str = "value") -> Json:
    """Give a number and its interval as an entry of a report: `name`, low, high; None for NaN."""
    return {name: json_number(value), "low": json_number(low), "high": json_number(high)}


def coverage(pit: Array, group_id: NDArray[np.int64]) -> dict[str, Json]:
    """Share of galaxies inside each central interval, with the band a calibrated one stays in."""
    shares = {}
    for name, level in COVERAGE.items():
        low, high = binomial_band(independent(group_id), level)
        share = float(covered(pit, level).mean()) if len(pit) else np.nan
        shares[name] = {
            "nominal": level,
            "n": len(pit),
            "value": json_number(share),
            "band_low": json_number(low),
            "band_high": json_number(high),
        }
    return shares


def arm_report(
    name: str,
    arm: ArmGalaxies,
    measured: Mapping[str, Measured],
    *,
    clip_window: tuple[float, float],
    bins: Mapping[str, list[Json]],
) -> Json:
    """Report the pool with intervals, each seed, the pool in bins, and its coverage.

    The content of reports/metrics/<arm>.json; `measured` is the pool, from `measure_subsets`, and
    `bins` that of `binned_reports`.
    """
    masks = subset_masks(arm.pool.z_spec, clip_window)
    terms = {subset: select_terms(arm.pool, keep) for subset, keep in masks.items()}
    return {
        "arm": name,
        "n": {subset: len(galaxies) for subset, galaxies in terms.items()},
        "clip_window": list(clip_window),
        "pool": {subset: of_subset.intervals() for subset, of_subset in measured.items()},
        "seeds": {
            str(number): {
                subset: {metric: json_number(value) for metric, value in values.items()}
                for subset, values in subsets.items()
            }
            for number, subsets in sorted(arm.seeds.items())
        },
        "coverage": {
            subset: coverage(galaxies.pit, galaxies.group_id) for subset, galaxies in terms.items()
        },
        "bins": bins,
    }


def binned_reports(
    pools: Mapping[str, GalaxyTerms], *, n_bootstrap: int, seed: int
) -> dict[str, dict[str, list[Json]]]:
    """Follow metrics of pools of the same galaxies along `BIN_WIDTHS`: name -> variable -> bins.

    A bin has its limits, its count, and bias, NMAD and CRPS with 95 % intervals over groups; these
    are None where it holds fewer than 8 galaxies.
    """
    reports: dict[str, dict[str, list[Json]]] = {name: {} for name in pools}
    for variable, width in BIN_WIDTHS.items():
        for alike in _of_equal(variable, pools):
            bins = binned_metrics(alike, variable, width, n_bootstrap=n_bootstrap, seed=seed)
            for name, of_pool in bins.items():
                reports[name][variable] = of_pool
    return reports


def _of_equal(variable: str, pools: Mapping[str, GalaxyTerms]) -> list[dict[str, GalaxyTerms]]:
    """Sort pools by their values of a variable: those that have the same have the same bins."""
    alike: dict[bytes, dict[str, GalaxyTerms]] = {}
    for name, pool in pools.items():
        alike.setdefault(getattr(pool, variable).tobytes(), {})[name] = pool
    return list(alike.values())


def binned_metrics(
    pools: Mapping[str, GalaxyTerms], name: str, width: float, *, n_bootstrap: int, seed: int
) -> dict[str, list[Json]]:
    """Measure in bins of a column that all pools share, from its lowest values to its highest.

    Bins span its central 99 %, and a little more, since their edges are multiples of the width.
    Galaxies beyond them, and those whose value is NaN, are in no bin. The last edge is inside the
    last one.
    """
    variable = getattr(next(iter(pools.values())), name)
    edges = _bin_edges(variable, width)
    bins: dict[str, list[Json]] = {pool: [] for pool in pools}
    for low, high in pairwise(edges):
        keep = (variable >= low) & ((variable < high) | ((variable == high) & (high == edges[-1])))
        n = int(np.count_nonzero(keep))
        if n < MIN_PER_BIN:
            keep = np.zeros_like(keep)  # of no galaxies every value is None
        galaxies = {pool: select_terms(terms, keep) for pool, terms in pools.items()}
        measured = measure_all(galaxies, n_bootstrap=n_bootstrap, seed=seed, only=BINNED_METRICS)
        limits = {"centre": float((low + high) / 2), "low": float(low), "high": float(high)}
        for pool, of_bin in measured.items():
            bins[pool].append({**limits, "n": n, **of_bin.intervals()})
    return bins


def _bin_edges(values: NDArray[np.floating], width: float) -> Array:
    """Multiples of `width` that span the central 99 % of the finite values; empty without any."""
    finite = np.asarray(values, np.float64)[np.isfinite(values)]
    if not len(finite):
        return np.empty(0)
    low, high = np.percentile(finite, [0.5, 99.5]) / width
    first, last = np.floor(low), np.ceil(high)
    return np.asarray(width * np.arange(first, max(last, first + 1) + 1))


def json_number(value: float) -> float | None:
    """Turn what is not finite into None: JSON knows no NaN."""
    return float(value) if np.isfinite(value) else None


def _replicates(
    samples: Mapping[str, GalaxyTerms], blocks: Iterable[Array], only: Collection[str]
) -> dict[str, dict[str, Array]]:
    """Every wanted metric of samples under blocks of weights (b, n): sample -> name -> (B,)."""
    prepared = {
        name: (
            point_terms(terms.z_phot, terms.z_spec),
            prepared_pdf_terms(terms.crps, terms.cde, terms.pit),
        )
        for name, terms in samples.items()
    }
    parts: dict[str, list[dict[str, Array]]] = {name: [] for name in samples}
    n = len(next(iter(samples.values())))
    for weights in chain([np.empty((0, n))], blocks):  # an empty one for the names
        for name, (point, pdf) in prepared.items():
            parts[name].append(
                point_metric_replicates(point, weights, only=only)
                | pdf_metric_replicates(pdf, weights, only=only)
            )
    return {
        name: {metric: np.concatenate([part[metric] for part in of]) for metric in of[0]}
        for name, of in parts.items()
    }
