"""What README says of galaxies in real sky: a table and some sentences, made of the report."""

from collections.abc import Mapping
from typing import Any

from pix2z.evaluation.metric_names import format_value
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, ImageFlag

__all__ = ["summary"]

Json = Mapping[str, Any]

SHOWN = ("crps", "outlier_005", "coverage_95", "bias_median")

GOAL_NAMES = {
    "crps_ratio": "CRPS at most 1.08 times as large",
    "outlier_005": "at most 1 % of outliers",
    "coverage_95": "94 to 96 % inside the 95 % interval",
    "bias_median": "a median bias below 0.002",
    "found_nmad_ratio": "NMAD of the found ones at most 1.15 times as large",
}

CROWDING_NAMES = {
    "little": "other light within 6 arcsec is 2.5 mag fainter than the galaxy, or more",
    "some": "it is 0.5 to 2.5 mag fainter",
    "bright": "it is less than 0.5 mag fainter, or brighter",
}


def summary(report: Json) -> str:
    """Return the block of Markdown that README holds."""
    return "\n".join([*_table(report), "", *_sentences(report)])


def _table(report: Json) -> list[str]:
    overall, crowding, n = report["overall"], report["crowding"], report["overall"]["n"]
    rows = {
        "as rendered": overall["clean"],
        f"in real sky, fields: {len(report['fields'])}": overall["real"],
        **{
            f"… where {words} ({100 * crowding[name]['n'] / n:.1f} %)": crowding[name]["real"]
            for name, words in CROWDING_NAMES.items()
        },
        "found by `pix2z catalogue`": report["found"]["real"],
    }
    return [
        "| rendered test galaxies | CRPS | \\|Δ\\| > 0.05 | in the 95 % interval | median Δ |",
        "|---|---|---|---|---|",
        *(f"| {name} | {' | '.join(_cell(of, m) for m in SHOWN)} |" for name, of in rows.items()),
    ]


def _cell(of: Json, metric: str) -> str:
    return with_limits(of[metric], lambda value: format_value(metric, value))


def with_limits(number: Json, shown: Any) -> str:
    """Write a value with its interval."""
    value, low, high = (shown(number[limit]) for limit in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _sentences(report: Json) -> list[str]:
    ratio = report["overall"]["real / clean"]["crps"]
    by_field = sorted(one["real / clean"]["crps"]["value"] for one in report["fields"].values())
    whole = report["found"]["magnitudes"][-1]
    unlike = [
        f"{100 * report['flags'][name][IMAGE_FLAG_MEANINGS[ImageFlag.UNLIKE_SAMPLE]]:.1f} %"
        for name in ("real", "clean")
    ]
    others = format_value("outlier_005", report["unflagged"]["real"]["outlier_005"]["value"])
    return [
        f"CRPS in real sky is {_times(ratio)} times that as rendered, in single fields "
        f"{by_field[0]:.3f} to {by_field[-1]:.3f} times. {_goals(report)}",
        f"Flagged as unlike the training galaxies are {unlike[0]} of the stamps in real sky and "
        f"{unlike[1]} as rendered; of those in real sky without any flag, {others} are off by more "
        "than 0.05 (1 + z).",
        f"Of galaxies with r < {whole['r'][1]:g}, {_percent(whole['complete'])} are found and "
        f"called galaxies, of stars as bright {_percent(whole['star_called_galaxy'])}; with the "
        f"stars and galaxies of these fields, {_percent(whole['purity'])} of what is called a "
        "galaxy is one.",
    ]


def _times(ratio: Json) -> str:
    return with_limits(ratio, lambda value: f"{value:.3f}")


def _percent(share: Json) -> str:
    return f"{with_limits(share, lambda value: f'{100 * value:.1f}')} %"


def _goals(report: Json) -> str:
    """Say which goals the values, not their intervals, meet."""
    goals = report["goals"]
    met = [GOAL_NAMES[name] for name, goal in goals.items() if goal["met"]]
    missed = [GOAL_NAMES[name] for name, goal in goals.items() if not goal["met"]]
    parts = [
        f"{start}: {'; '.join(names)}."
        for start, names in (("Goals that are met", met), ("Goals that are not met", missed))
        if names
    ]
    return " ".join(parts)
