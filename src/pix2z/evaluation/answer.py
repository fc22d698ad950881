"""One paragraph that answers "does clipping the training sample help?" from the comparison."""

from typing import Any

from pix2z.evaluation.contrasts import PRIMARY_METRICS, SIGNIFICANCE, TOLD_WINDOW
from pix2z.evaluation.metric_names import METRICS, format_value

__all__ = ["answer", "find_contrast"]

Json = dict[str, Any]

SMALL = 500
"""A test set below this is called too small for a conclusion."""


def find_contrast(comparison: Json, a: str, b: str, subset: str, metric: str) -> Json | None:
    """Look up one contrast of reports/compare.json; None where it was not made."""
    wanted = (a, b, subset, metric)
    for entry in comparison["contrasts"]:
        if (entry["a"], entry["b"], entry["subset"], entry["metric"]) == wanted:
            return dict(entry)
    return None


def answer(comparison: Json) -> str:
    """Answer the question of the experiment, with its numbers and its limits."""
    clipping = _primary(comparison, "full", "clipped")
    if not clipping:
        return (
            "This run does not answer whether clipping helps: it takes the arms full and clipped,"
            " and test galaxies inside the clip window."
        )
    sentences = [_headline(clipping), _numbers(comparison, clipping)]
    equal_n = _primary(comparison, "clipped", "subsample")
    if equal_n:
        sentences.append(_equal_n(equal_n))
    sentences += [*_told_window(comparison), *_whole(comparison)]
    sentences += _outside(comparison)
    if comparison["test"]["n"] < SMALL:
        sentences.append(
            f"With {comparison['test']['n']} test galaxies this run is a demonstration; it is too"
            " small for a conclusion."
        )
    return " ".join(sentences)


def _whole(comparison: Json) -> list[str]:
    """Say which is better where the redshift is not known beforehand: over all test galaxies."""
    entry = find_contrast(comparison, "full", "clipped", "whole", "crps")
    if not entry or entry["difference"] is None:
        return []
    full, clipped = (
        format_value("crps", comparison["arms"][arm]["whole"]["crps"]["value"])
        for arm in ("full", "clipped")
    )
    numbers = f"(CRPS {full} full, {clipped} clipped, n = {comparison['test']['n']:,})"
    if entry["high"] < 0:
        finding = "full is better"
    elif entry["low"] > 0:
        finding = "clipped is better"
    else:
        finding = "no significant difference"
    return [
        "Where redshifts are not known beforehand, over all test galaxies (exploratory):"
        f" {finding} {numbers}."
    ]


def _told_window(comparison: Json) -> list[str]:
    """Take away what the clipped arm owes to knowing that a galaxy is inside."""
    entry = find_contrast(comparison, TOLD_WINDOW, "clipped", "inside", "crps")
    if not entry or entry["difference"] is None:
        return []
    value = format_value("crps", comparison["controls"][TOLD_WINDOW]["inside"]["crps"]["value"])
    low, high = (format_value("crps", entry[bound]) for bound in ("low", "high"))
    lead = (
        "That a galaxy is inside is known from its spectrum alone; the full network, told so by"
        f" cutting its PDFs to the window, reaches a CRPS of {value} (exploratory)"
    )
    interval = f"difference to clipped {low} to {high}"
    if entry["low"] > 0:
        return [f"{lead}, so clipping keeps an advantage ({interval})."]
    if entry["high"] < 0:
        return [f"{lead}, better than clipped ({interval})."]
    return [f"{lead}, and no significant difference is left ({interval})."]


def _primary(comparison: Json, a: str, b: str) -> list[Json]:
    found = (find_contrast(comparison, a, b, "inside", metric) for metric in PRIMARY_METRICS)
    return [entry for entry in found if entry and entry["difference"] is not None]


def _significant(entries: list[Json], *, positive: bool) -> list[str]:
    """Labels of the metrics (lower is better) whose difference is significant, of one sign."""
    return [
        METRICS[entry["metric"]].label
        for entry in entries
        if entry["p_holm"] is not None
        and entry["p_holm"] < SIGNIFICANCE
        and (entry["difference"] > 0) == positive
    ]


def _headline(clipping: list[Json]) -> str:
    clipped_better = _significant(clipping, positive=True)
    full_better = _significant(clipping, positive=False)
    if clipped_better and full_better:
        return (
            f"The primary metrics disagree: inside the clip window, clipping improves"
            f" {' and '.join(clipped_better)} and worsens {' and '.join(full_better)}."
        )
    if clipped_better:
        return (
            "Inside the clip window, training on the clipped sample improves"
            f" {' and '.join(clipped_better)}."
        )
    if full_better:
        return (
            "Even inside the clip window, training on the clipped sample worsens"
            f" {' and '.join(full_better)}."
        )
    return (
        "Inside the clip window, where both were trained, networks trained on the full and on the"
        " clipped sample do not differ significantly."
    )


def _numbers(comparison: Json, clipping: list[Json]) -> str:
    parts = []
    for entry in clipping:
        metric = entry["metric"]
        full, clipped = (
            format_value(metric, comparison["arms"][arm]["inside"][metric]["value"])
            for arm in ("full", "clipped")
        )
        low, high = (format_value(metric, entry[bound]) for bound in ("low", "high"))
        parts.append(
            f"{METRICS[metric].label} is {full} (full) against {clipped} (clipped), a difference of"
            f" {format_value(metric, entry['difference'])} with 95 % interval {low} to {high} and"
            f" Holm-corrected p = {entry['p_holm']:.2g}"
        )
    n = comparison["test"]["n_inside"]
    return f"On the same {n:,} test galaxies, in redshift units: {'; '.join(parts)}."


def _equal_n(equal_n: list[Json]) -> str:
    clipped_better = _significant(equal_n, positive=False)
    random_better = _significant(equal_n, positive=True)
    lead = "Against a random subsample of the clipped sample's size,"
    if clipped_better:
        return f"{lead} clipping improves {' and '.join(clipped_better)}."
    if random_better:
        return f"{lead} clipping worsens {' and '.join(random_better)}."
    return f"{lead} clipping makes no significant difference."


def _outside(comparison: Json) -> list[str]:
    entry = find_contrast(comparison, "full", "clipped", "outside", "mae")
    if not entry or entry["difference"] is None:
        return []
    n = comparison["test"]["n"] - comparison["test"]["n_inside"]
    full, clipped = (
        format_value("mae", comparison["arms"][arm]["outside"]["mae"]["value"])
        for arm in ("full", "clipped")
    )
    excludes_zero = entry["low"] > 0 or entry["high"] < 0
    evidence = (
        "the interval of the difference excludes zero"
        if excludes_zero
        else "no significant difference"
    )
    return [
        f"Outside the window (n = {n:,}), where the clipped sample has no galaxies, MAE is {full}"
        f" (full) against {clipped} (clipped): {evidence}."
    ]
