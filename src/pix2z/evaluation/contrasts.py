"""Which arms are set against which, on what, and what the difference says in words.

Every contrast has one outcome, by its 95 % interval and by a margin that no result sets, a share
(`evaluate.margin` of params.yaml) of the error of the arm `full` on the same galaxies:

============ =====================================================================================
equivalent   the interval lies inside the margin: the difference is smaller than what matters,
             whether or not the interval holds zero
better,      a is better or worse than b: the interval excludes zero, and is not inside the margin;
worse        where it reaches into the margin, perhaps by less than what matters
differ       the same for a metric with a target, such as a bias, whose sign favours neither
undecided    all else: this test set cannot tell the two apart
None         too few galaxies: fewer than 30 groups, see `bootstrap.MIN_GROUPS`
============ =====================================================================================

That an interval inside the margin shows equivalence is the rule of two one-sided tests (Schuirmann
1987, J. Pharmacokinet. Biopharm. 15, 657; Lakens 2017, Soc. Psychol. Personal. Sci. 8, 355). With
the 95 % interval each has a level of 2.5 %, stricter than the usual 5 %. The margin itself counts
as known, though `full` is measured: its error is known to about 2 %, so the margin is, too.

Where an arm was trained once, the scatter of its trainings is not in the interval, which is too
narrow. The margin then has to stand for it: only a difference that is surely larger than the margin
is better or worse, and no two arms are equivalent. Metrics without a margin are then undecided.

Contrasts of the families in `PRIMARY` are the same for all data, and are judged in CRPS alone:
"better" and "worse" there also need a p-value below 0.05 after Holm's correction over the family.
All others are exploratory, judged by their interval alone. Why these, and why contrasts of
`subsample` compare single networks (of each galaxy, the mean over the seeds of its CRPS, or of its
absolute error, for either arm), is in docs/design.md.
"""

from collections.abc import Mapping
from math import inf
from typing import Any, Literal

from pix2z.evaluation.metric_names import METRICS, format_difference, format_value

__all__ = [
    "CONTRAST_METRICS",
    "DETERMINISTIC",
    "GOAL",
    "NETWORK_METRICS",
    "PAIRS",
    "PRIMARY",
    "TOLD",
    "by_networks",
    "family",
    "finding",
    "outcome",
    "subset_phrase",
    "told",
    "verdict",
]

Entry = Mapping[str, Any]
"""A contrast of reports/compare.json: a paired difference of one metric, a minus b."""


def told(arm: str) -> str:
    """Name the control of `told_window` for an arm: told that every galaxy is inside the window."""
    return f"{arm}_told_window"


TOLD = {told("full"), told("subsample")}
"""They are compared inside the window only: elsewhere what they are told is wrong."""

PAIRS = (
    ("full", "clipped"),
    ("clipped", told("subsample")),
    (told("full"), "clipped"),
    ("full", "subsample"),
    ("clipped", "subsample"),
    ("full", "catalogue"),
    ("full", "apertures"),
    ("apertures", "catalogue"),
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

NETWORK_METRICS = ("crps", "mae")
"""Of contrasts that compare single networks: means over galaxies, which are means over seeds."""

DETERMINISTIC = ("trainz", "knn")
"""Controls without a scatter of trainings: nothing in them is drawn. Trees draw features."""

PRIMARY = {
    "clipping": (
        ("full", "clipped", "whole"),
        ("full", "clipped", "inside"),
        ("clipped", told("subsample"), "inside"),
    ),
    "pixels": (("full", "catalogue", "whole"), ("full", "apertures", "whole")),
}
"""Family -> its contrasts (a, b, subset), in CRPS. Does clipping help, of all galaxies and of those
inside, and is it which galaxies or how many; and what do pixels add."""

GOAL = 0.94
"""CRPS of `full` in units of that of `catalogue`, to be reached; docs/design.md has its history."""

SIGNIFICANCE = 0.05


def family(a: str, b: str, subset: str, metric: str) -> str | None:
    """Name the family of `PRIMARY` that a contrast belongs to; None of an exploratory one."""
    families = (name for name, of in PRIMARY.items() if (a, b, subset) in of and metric == "crps")
    return next(families, None)


def by_networks(a: str, b: str) -> bool:
    """Tell whether two arms are judged by single networks, not by their pools."""
    return bool({a, b} & {"subsample", told("subsample")})


def outcome(entry: Entry, *, better: Literal["lower", "higher", "target"]) -> str | None:
    """Return which of the outcomes a contrast has; None where it is undefined.

    Parameters
    ----------
    entry : `difference`, `low`, `high`; `margin`, in the metric's unit, None for a metric that has
        no natural share; `single_seed`, which of a and b were trained once; and `p_holm` of a
        primary one.
    better : which values of the metric are.
    """
    low, high, margin = entry["low"], entry["high"], entry["margin"] or 0.0
    if entry["difference"] is None or low is None:
        return None
    once = bool(entry["single_seed"])
    if -margin < low and high < margin and not once:
        return "equivalent"
    least = (margin or inf) if once else 0.0
    if (low <= least and high >= -least) or entry.get("p_holm", 0.0) >= SIGNIFICANCE:
        return "undecided"
    if better == "target":
        return "differ"
    return "better" if (high < 0) == (better == "lower") else "worse"


def finding(entry: Entry, *, margin: float) -> str:
    """Say the outcome of a contrast in a few words, and which arm was trained only once.

    Parameters
    ----------
    margin : the share that is behind the entry's margin.
    """
    share, limit = f"{100 * margin:g} %", entry["margin"]
    words = {
        "equivalent": f"equal within {share}",
        "better": f"{entry['a']} is better",
        "worse": f"{entry['b']} is better",
        "differ": "they differ, which by its sign alone favours neither",
        "undecided": "no verdict" if entry["single_seed"] else "cannot be told apart",
        None: "too few galaxies",
    }[entry["outcome"]]
    known_better = entry["outcome"] in ("better", "worse")
    if known_better and limit and entry["low"] < limit and entry["high"] > -limit:
        words += f", perhaps by less than {share}"  # the interval reaches into the margin
    if entry["single_seed"]:
        words += f" (one training of {' and '.join(entry['single_seed'])})"
    return words


def subset_phrase(subset: str, n: int, *, high_only: bool) -> str:
    """Name a subset with its size; `high_only`: nothing outside lies below the window."""
    names = {
        "whole": "Whole test set",
        "inside": "Inside the clip window",
        "outside": "Outside the clip window" + ", all at higher redshift" * high_only,
    }
    return f"{names[subset]}, n = {n:,}"


def verdict(entry: Entry, *, where: str, margin: float) -> str:
    """Say in words what a contrast shows, and what it does not.

    Parameters
    ----------
    entry : what `outcome` takes, and `a`, `b`, `metric`, `primary`, `outcome`.
    where : the subset and its size, from `subset_phrase`.
    margin : as `finding` takes it.
    """
    a, b, metric, difference = (entry[name] for name in ("a", "b", "metric", "difference"))
    if entry["outcome"] is None:
        return f"{where}: too few galaxies to compare {a} with {b}."
    size, label = format_difference(metric, difference), METRICS[metric].label
    low, high = (format_value(metric, entry[bound]) for bound in ("low", "high"))
    evidence = "single networks, " * by_networks(a, b) + f"95 % interval {low} to {high}"
    if entry["margin"]:
        evidence += f", margin {format_value(metric, entry['margin'])}"
    holm = f"Holm-corrected p = {entry['p_holm']:.2g}" if entry["primary"] else "exploratory"
    sentences = (
        f"{where}: {finding(entry, margin=margin)}. {label[0].upper()}{label[1:]} of {a} is {size} "
        f"{'above' if difference > 0 else 'below'} that of {b} ({evidence}, {holm})."
    )
    if entry["single_seed"]:
        once = " and ".join(entry["single_seed"])
        sentences += f" The scatter of trainings of {once} is not known."
    return sentences
