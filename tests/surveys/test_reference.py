"""The guide's table of other surveys is that of docs/reference/survey.json, to the digit."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = json.loads((ROOT / "docs/reference/survey.json").read_text())
SHOWN = {"crps": (5, 1), "bias_mean": (4, 1), "outlier_005": (1, 100), "coverage_95": (1, 100)}
"""Metric -> digits and factor."""


def row(case):
    cells = []
    for metric, (digits, factor) in SHOWN.items():
        value, low, high = (
            f"{factor * case['metrics'][metric][limit]:.{digits}f}"
            for limit in ("value", "low", "high")
        )
        cells.append(f"{value} ({low} to {high})")
    return " | ".join([*cells, f"{100 * case['flags']['unlike']:.1f}"])


def section():
    guide = (ROOT / "docs/guide.md").read_text()
    return guide.partition("## Other surveys\n")[2].partition("\n## ")[0]


def test_the_guide_shows_what_was_measured():
    shown = dict(re.findall(r"^\| ([^|]+?) \| (-?\d.*?) \|$", section(), re.M))
    tuned = {f"{n}": case for n, case in MEASURED["finetuned"].items()}
    expected = {name: row(case) for name, case in (MEASURED["cases"] | tuned).items()}
    assert shown == expected


def test_the_guide_says_how_few_spectra_are_refused_and_of_how_many_galaxies_it_speaks():
    words = " ".join(section().split())
    (refused,) = {case["refused"] for case in MEASURED["finetuned"].values() if case["refused"]}
    assert refused in words
    assert f"{MEASURED['n_test']:,} test galaxies" in words
