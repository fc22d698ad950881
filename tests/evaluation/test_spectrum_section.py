"""What the report says of spectra and of the ways over them."""

from pathlib import Path

import pytest
from pix2z.evaluation.spectrum_section import SHOWN, spectrum_answer, spectrum_sections


def ranged(value, name="value", spread=0.001):
    return {name: value, "low": value - spread, "high": value + spread}


def report(*, difference=0.002, spread=0.001, kind="parent"):
    values = {
        "direct": 0.012,
        "network": 0.012 + 2 * abs(difference),
        "templates": 0.012 + difference,
    }
    ways = {way: {"whole": {m: ranged(v) for m in SHOWN}} for way, v in values.items()}
    contrasts = [
        {"a": way, "b": "direct", "subset": "whole", "metric": metric}
        | ranged(values[way] - values["direct"], "difference", spread)
        for way in ("network", "templates")
        for metric in SHOWN
    ]
    arm = {
        "mse": ranged(0.006),
        "mae": ranged(0.03),
        "coverage_68": 0.68,
        "coverage_95": 0.95,
        "colours": {
            "g-r": {
                "against_target": {"n": 5, "median": 0.0, "nmad": 0.02},
                "against_measured": {"n": 0, "median": None, "nmad": None},
            }
        },
        "h_alpha": {"n": 3, "found": 0.5, "nmad": 0.004},
    }
    pair = {"a": "full", "b": "plain", "subset": "whole", "metric": "mae"}
    return {
        "targets": {"kind": kind, "source": "made-up spectra"},
        "test": {"n": 100, "n_inside": 95},
        "wavelength": {"low": 3800.0, "high": 9200.0, "n": 4000},
        "arms": {"full": arm, "plain": arm, "mean_spectrum": arm},
        "contrasts": [pair | ranged(-0.004, "difference")],
        "redshifts": {"full": {"reference": "direct", "ways": ways, "contrasts": contrasts}},
    }


@pytest.mark.parametrize(
    ("difference", "spread", "said"),
    [
        (0.002, 0.001, "worse by 0.00200"),
        (-0.002, 0.001, "better by 0.00200"),
        (0.002, 0.005, "not significantly different"),
    ],
)
def test_the_answer_says_which_way_is_better_and_by_how_much(difference, spread, said):
    answer = spectrum_answer(report(difference=difference, spread=spread))
    assert said in answer
    assert "templates" in answer.split("has a MAE")[0]
    assert "100 test galaxies" in answer
    assert "network 0.01600" in answer


def test_no_answer_without_the_arm():
    assert spectrum_answer(report(), arm="other") == ""


def test_sections_hold_tables_and_figures():
    spectra, ways = spectrum_sections(report(), Path("reports/spectrum"))
    assert [row[0] for row in spectra.tables[0].rows] == ["full", "plain", "mean_spectrum"]
    assert spectra.items[1] == "plain: plain CNN, full sample"
    assert "–" in spectra.tables[0].rows[0]  # a colour that was not measured
    assert any("is better than" in p for p in spectra.paragraphs)
    assert "made-up spectra" in spectra.paragraphs[0]
    rows = [row[0] for row in ways.tables[0].rows]
    assert rows == ["direct", "network", "templates", "network - direct", "templates - direct"]
    assert all(len(row) == len(ways.tables[0].header) for row in ways.tables[0].rows)
    assert {p.path.name for p in (*spectra.pictures, *ways.pictures)} == {
        "spectra.png",
        "error_by_wavelength.png",
        "ways.png",
    }


def test_full_and_clipped_are_also_compared_where_both_were_trained():
    found = report()
    for pair, inside in (("clipped", 0.004), ("plain", -0.004)):
        found["contrasts"] += [
            {"a": "full", "b": pair, "subset": "inside", "metric": "mae"}
            | ranged(inside, "difference"),
            {"a": "full", "b": pair, "subset": "outside", "metric": "mae"}
            | ranged(-0.004, "difference"),
        ]
    said = spectrum_sections(found, Path("reports/spectrum"))[0].paragraphs[1:]
    assert len(said) == 2
    assert said[0].startswith("On all test galaxies, physical decoder, full sample is better")
    assert said[1].startswith("Inside the clip window, where both were trained, physical decoder")
    assert "clipped sample is better than physical decoder, full sample" in said[1]
