"""What README and guide say of galaxies in real sky: tables and sentences, made of the report."""

from collections.abc import Callable, Mapping
from typing import Any

from pix2z.evaluation.metric_names import format_value
from pix2z.injection.report import GOALS
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, ImageFlag

__all__ = ["by_magnitude", "summary"]

Json = Mapping[str, Any]

SHOWN = ("crps", "outlier_005", "coverage_95", "bias_median")

GOAL_NAMES = {
    "crps_ratio": "CRPS at most 1.08 times that as rendered",
    "outlier_005": "at most 1 % of outliers",
    "coverage_95": "94 to 96 % inside the 95 % interval",
    "bias_median": "a median bias below 0.002",
    "found_nmad_ratio": "NMAD of the found ones at most 1.15 times that as rendered",
}

CROWDING_NAMES = {
    "little": "other light within a radius of 6 arcsec is 2.5 mag fainter than the galaxy, or more",
    "some": "it is 0.5 to 2.5 mag fainter",
    "bright": "it is less than 0.5 mag fainter, or brighter",
}


def summary(report: Json) -> str:
    """Return the block of Markdown that README holds."""
    return "\n".join([*_table(report), "", *_sentences(report)])


def by_magnitude(report: Json) -> str:
    """Return the table of the guide: found galaxies, and stars taken for galaxies, by magnitude."""
    rows = [
        f"| {low:g} to {high:g} | {one['n']} | {_percent(one['complete'])} | "
        f"{_percent(one['star_called_galaxy'])} | {one['n_in_fields']['galaxies']}, "
        f"{one['n_in_fields']['stars']} | {_percent(one['purity'])} |"
        for one in report["found"]["magnitudes"]
        for low, high in [one["r"]]
    ]
    return "\n".join(
        [
            "| r of the galaxy | n | found and called a galaxy | stars called galaxies | "
            "galaxies, stars in the fields | purity |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


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
        f"{_range(report, 'bias_median', shown=_cell)}.",
        " ".join([*_goals(report), *_owing_to_seeing(ratio, beside)]),
        f"Flagged as unlike the training galaxies are {unlike[0]} of the "
        f"{report['overall']['n']:,} stamps in real sky and "
        f"{unlike[1]} as rendered; of those in real sky without any flag, {others} are off by more "
        "than 0.05 (1 + z).",
        f"Of galaxies with r < {whole['r'][1]:g}, {_percent(whole['complete'])} are found and "
        f"called galaxies; of stars as bright, single ones as wide as the field's own, "
        f"{_percent(whole['star_called_galaxy'])}. Double or saturated stars, and what lies in "
        "the light of bright ones, are not among these.",
    ]


def _value(of: Json, metric: str) -> str:
    return format_value(metric, of[metric]["value"])


def _range(report: Json, metric: str, shown: Callable[[Json, str], str] = _value) -> str:
    """Write the lowest and the highest value of a metric in real sky among the fields."""
    fields = sorted(
        (field["real"] for field in report["fields"].values()),
        key=lambda field: field[metric]["value"],
    )
    return " to ".join(shown(field, metric) for field in (fields[0], fields[-1]))


def _times(ratio: Json) -> str:
    return with_limits(ratio, lambda value: f"{value:.3f}")


def _percent(share: Json) -> str:
    return f"{with_limits(share, lambda value: f'{100 * value:.1f}')} %"


def _goals(report: Json) -> list[str]:
    """Say which goals the values, not their intervals, meet."""
    goals = report["goals"]
    met = [GOAL_NAMES[name] for name, goal in goals.items() if goal["met"]]
    missed = [GOAL_NAMES[name] for name, goal in goals.items() if not goal["met"]]
    return [
        f"{start}: {'; '.join(names)}."
        for start, names in (("Goals that are met", met), ("Goals that are not met", missed))
        if names
    ]


def _owing_to_seeing(ratio: Json, beside: Json) -> list[str]:
    """Say where a goal is met because the fields are sharper or less noisy than the rendered sky.

    ratio, beside : CRPS in real sky over that as rendered, and over that with the fields' seeing
    and noise and nothing beside.
    """
    most = GOALS["crps_ratio"][1]
    if not ratio["value"] <= most < beside["value"]:
        return []
    return [
        "The one for CRPS is met because these fields have better seeing or less noise than the "
        "rendered sky: against galaxies with theirs and nothing beside, it would be missed."
    ]
