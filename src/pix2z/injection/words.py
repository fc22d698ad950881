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
    "little": "other light within a radius of 6 arcsec is 2.5 mag fainter than the galaxy, or more",
    "some": "it is 0.5 to 2.5 mag fainter",
    "bright": "it is less than 0.5 mag fainter, or brighter",
}


def summary(report: Json) -> str:
    """Return the block of Markdown that README holds."""
    return "\n".join([*_table(report), "", *_sentences(report)])


def _table(report: Json) -> list[str]:
    overall, crowding, n = report["overall"], report["crowding"], report["overall"]["n"]
    found, n_fields = report["found"], len(report["fields"])
    rows = {
        "as rendered": overall["clean"],
        "with the seeing and noise of the fields, nothing beside": overall["alone"],
        f"in real sky, {n_fields} field{'s' if n_fields > 1 else ''}": overall["real"],
        **{
            f"… where {words} ({100 * crowding[name]['n'] / n:.1f} %)": crowding[name]["real"]
            for name, words in CROWDING_NAMES.items()
        },
        f"found in one field each by `pix2z catalogue`, r < 17.8, n = {found['n']:,}": found[
            "real"
        ],
    }
    return [
        "| rendered test galaxies | CRPS | \\|Δ\\| > 0.05 | in the 95 % interval | median Δ |",
        "|---|---|---|---|---|",
        *(f"| {name} | {' | '.join(_cell(of, m) for m in SHOWN)} |" for name, of in rows.items()),
    ]


def _cell(of: Json, metric: str) -> str:
    return with_limits(of[metric], lambda value: format_value(metric, value))


def with_limits(number: Json, shown: Any) -> str:
    """Write a value with its interval; a dash where it is not known."""
    if number["value"] is None:
        return "–"
    value, low, high = (shown(number[limit]) for limit in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _sentences(report: Json) -> list[str]:
    ratio = report["overall"]["real / clean"]["crps"]
    beside = report["overall"]["real / alone"]["crps"]
    in_fields = [one["real / clean"]["crps"]["value"] for one in report["fields"].values()]
    whole = report["found"]["magnitudes"][-1]
    pure = whole["purity"]
    impure = {
        limit: None if pure[other] is None else 1 - pure[other]
        for limit, other in (("value", "value"), ("low", "high"), ("high", "low"))
    }
    unlike = [
        _percent(report["flags"][name][IMAGE_FLAG_MEANINGS[ImageFlag.UNLIKE_SAMPLE]])
        for name in ("real", "clean")
    ]
    others = _cell(report["unflagged"]["real"], "outlier_005")
    return [
        f"CRPS in real sky is {_times(ratio)} times that as rendered, in single fields "
        f"{min(in_fields):.3f} to {max(in_fields):.3f} times, and {_times(beside)} times that with "
        "the fields' seeing and noise and nothing beside the galaxies. In single fields "
        f"{_range(report, 'outlier_005')} are off by more than 0.05 (1 + z), "
        f"{_range(report, 'coverage_95')} lie in their 95 % intervals, and the median Δ is "
        f"{_range(report, 'bias_median')}.",
        _goals(report),
        f"Flagged as unlike the training galaxies are {unlike[0]} of the "
        f"{report['overall']['n']:,} stamps in real sky and "
        f"{unlike[1]} as rendered; of those in real sky without any flag, {others} are off by more "
        "than 0.05 (1 + z).",
        f"Of galaxies with r < {whole['r'][1]:g}, {_percent(whole['complete'])} are found and "
        f"called galaxies, of point sources as bright {_percent(whole['star_called_galaxy'])}. "
        "With the numbers of stars and galaxies in these fields, stars would be "
        f"{_percent(impure)} of "
        "what is called a galaxy; spikes and ghosts of bright stars are not counted.",
    ]


def _range(report: Json, metric: str) -> str:
    """Write the lowest and the highest value of a metric in real sky among the fields."""
    values = [field["real"][metric]["value"] for field in report["fields"].values()]
    return " to ".join(format_value(metric, value) for value in (min(values), max(values)))


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
