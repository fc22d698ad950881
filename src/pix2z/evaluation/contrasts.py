"""Which arms are set against which, on what, and what the difference says in one sentence.

The primary family is fixed beforehand: does clipping help, asked as full against clipped and, at
equal numbers of training galaxies, clipped against the random subsample; in CRPS and MAE; inside
the clip window, where both arms were trained. Its p-values are corrected after Holm; all other
contrasts are exploratory, judged by their 95 % interval alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pix2z.evaluation.metric_names import METRICS, format_difference, format_value

__all__ = [
    "CONTRAST_METRICS",
    "PAIRS",
    "PRIMARY_METRICS",
    "PRIMARY_PAIRS",
    "TOLD_WINDOW",
    "Contrast",
    "is_primary",
    "subset_phrase",
    "verdict",
]

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


@dataclass(frozen=True)
class Contrast:
    """A paired difference of one metric, a minus b, on one subset of the test galaxies."""

    a: str
    b: str
    subset: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p_holm: float | None = None

    @property
    def significant(self) -> bool:
        """Primary: Holm's p below 0.05. Exploratory: the 95 % interval excludes zero."""
        if self.difference is None or self.low is None or self.high is None:
            return False
        if is_primary(self.a, self.b, self.subset, self.metric):
            return self.p_holm is not None and self.p_holm < SIGNIFICANCE
        return self.low > 0 or self.high < 0


def is_primary(a: str, b: str, subset: str, metric: str) -> bool:
    """Tell whether a contrast belongs to the family fixed beforehand."""
    return (a, b) in PRIMARY_PAIRS and subset == "inside" and metric in PRIMARY_METRICS


def subset_phrase(subset: str, n: int, *, high_only: bool) -> str:
    """Name a subset with its size; `high_only`: nothing outside lies below the window."""
    if subset == "outside":
        return f"{'High z only' if high_only else 'Outside the clip window'}, n = {n:,}"
    return f"{'Inside the clip window' if subset == 'inside' else 'Whole test set'}, n = {n:,}"


def verdict(contrast: Contrast, *, where: str, single_seed: Sequence[str]) -> str:
    """Say in one sentence what a contrast shows, and what it does not.

    Parameters
    ----------
    where : the subset and its size, from `subset_phrase`.
    single_seed : which of a and b were trained once, so that the interval, which otherwise holds
        the scatter of training seeds, does not hold theirs.
    """
    if contrast.difference is None or contrast.low is None or contrast.high is None:
        return f"{where}: too few galaxies to compare {contrast.a} with {contrast.b}."
    sentence = f"{where}: {_size(contrast)} ({_evidence(contrast)}): {_finding(contrast)}"
    if single_seed:
        sentence += f"; the scatter of trainings of {' and '.join(single_seed)} is not known"
    return sentence + "."


def _size(contrast: Contrast) -> str:
    metric = METRICS[contrast.metric]
    difference = contrast.difference or 0.0
    direction = "above" if difference > 0 else "below"
    amount = format_difference(contrast.metric, difference)
    return f"{metric.label} of {contrast.a} is {amount} {direction} that of {contrast.b}"


def _evidence(contrast: Contrast) -> str:
    bounds = [format_value(contrast.metric, value) for value in (contrast.low, contrast.high)]
    text = f"95 % interval {bounds[0]} to {bounds[1]}"
    if contrast.p_holm is not None:
        text += f", Holm-corrected p = {contrast.p_holm:.2g}"
    return text


def _finding(contrast: Contrast) -> str:
    if not contrast.significant:
        return "no significant difference"
    better = METRICS[contrast.metric].better
    if better == "target":
        return "they differ, which by its sign alone favours neither"
    a_better = ((contrast.difference or 0.0) < 0) == (better == "lower")
    return f"{contrast.a if a_better else contrast.b} is better"
