"""Which arms are set against which, on what, and what the difference says in words.

The primary family is fixed beforehand: does clipping help, asked as full against clipped and, at
equal numbers of training galaxies, clipped against the random subsample; in CRPS and MAE; inside
the clip window, where both arms were trained. Its p-values are corrected after Holm; all other
contrasts are exploratory, judged by their 95 % interval alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pix2z.evaluation.metric_names import METRICS, format_difference, format_value

__all__ = [
    "CONTRAST_METRICS",
    "PAIRS",
    "PRIMARY_METRICS",
    "TOLD_WINDOW",
    "excludes_zero",
    "finding",
    "is_primary",
    "is_significant",
    "subset_phrase",
    "verdict",
]

Entry = Mapping[str, Any]
"""A contrast of reports/compare.json: a paired difference of one metric, a minus b."""

TOLD_WINDOW = "full_told_window"
"""The control of `told_window`: the full arm, told that every galaxy is inside the window."""

PAIRS = (
    ("full", "clipped"),
    ("clipped", "subsample"),
    ("full", "subsample"),
    (TOLD_WINDOW, "clipped"),
    ("full", "published_full"),
    ("clipped", "published_clipped"),
    ("published_full", "published_clipped"),
    ("full", "trees"),
    ("full", "knn"),
    ("full", "trainz"),
    ("full", "parameters"),
    ("full", "parameters_noisy"),
)
"""(a, b): the difference is a minus b. A pair with an absent member is left out."""

CONTRAST_METRICS = (
    "crps",
    "mae",
    "rmse",
    "r2",
    "bias_mean",
    "bias_median",
    "nmad",
    "sigma_iqr",
    "outlier_005",
    "outlier_rail",
    "cde_loss",
)

PRIMARY_PAIRS = (("full", "clipped"), ("clipped", "subsample"))
PRIMARY_METRICS = ("crps", "mae")
SIGNIFICANCE = 0.05


def is_primary(a: str, b: str, subset: str, metric: str) -> bool:
    """Tell whether a contrast belongs to the family fixed beforehand."""
    return (a, b) in PRIMARY_PAIRS and subset == "inside" and metric in PRIMARY_METRICS


def is_significant(entry: Entry) -> bool:
    """Primary: Holm's p below 0.05. Exploratory: the 95 % interval excludes zero."""
    if entry["primary"]:
        return entry["p_holm"] is not None and entry["p_holm"] < SIGNIFICANCE
    return excludes_zero(entry)


def excludes_zero(entry: Entry) -> bool:
    """Tell whether the 95 % interval of a difference excludes zero."""
    return bool(entry["low"] > 0 or entry["high"] < 0)


def subset_phrase(subset: str, n: int, *, high_only: bool) -> str:
    """Name a subset with its size; `high_only`: nothing outside lies below the window."""
    names = {
        "whole": "Whole test set",
        "inside": "Inside the clip window",
        "outside": "Outside the clip window" + ", all at higher redshift" * high_only,
    }
    return f"{names[subset]}, n = {n:,}"


def verdict(entry: Entry, *, where: str, single_seed: Sequence[str]) -> str:
    """Say in words what a contrast shows, and what it does not.

    Parameters
    ----------
    entry : `a`, `b`, `metric`, `difference`, `low`, `high`, `primary`, and `p_holm` of a primary
        one; None where undefined.
    where : the subset and its size, from `subset_phrase`.
    single_seed : which of a and b were trained once, so that the interval, which otherwise holds
        the scatter of training seeds, does not hold theirs.
    """
    a, b, metric, difference = (entry[name] for name in ("a", "b", "metric", "difference"))
    if difference is None or entry["low"] is None:
        return f"{where}: too few galaxies to compare {a} with {b}."
    size, label = format_difference(metric, difference), METRICS[metric].label
    low, high = (format_value(metric, entry[bound]) for bound in ("low", "high"))
    evidence = f"95 % interval {low} to {high}"
    if entry["primary"]:
        evidence += f", Holm-corrected p = {entry['p_holm']:.2g}"
    sentences = (
        f"{where}: {finding(entry)}. {label[0].upper()}{label[1:]} of {a} is {size} "
        f"{'above' if difference > 0 else 'below'} that of {b} ({evidence})."
    )
    if single_seed:
        sentences += f" The scatter of trainings of {' and '.join(single_seed)} is not known."
    return sentences


def finding(entry: Entry) -> str:
    """Which arm is better, if either is."""
    if not is_significant(entry):
        return "no significant difference"
    better = METRICS[entry["metric"]].better
    if better == "target":
        return "they differ, which by its sign alone favours neither"
    a_better = (entry["difference"] < 0) == (better == "lower")
    return f"{entry['a'] if a_better else entry['b']} is better"
