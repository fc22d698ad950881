"""What README and guide say follows from the report."""

from copy import deepcopy

from pix2z.injection.words import by_magnitude, summary
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, ImageFlag

UNLIKE = IMAGE_FLAG_MEANINGS[ImageFlag.UNLIKE_SAMPLE]


def number(value, half=0.0):
    return {"value": value, "low": value - half, "high": value + half}


def measured(crps):
    return {
        "crps": number(crps, 0.0004),
        "outlier_005": number(0.0121, 0.002),
        "coverage_95": number(0.945, 0.005),
        "bias_median": number(-0.0001, 0.0004),
    }


REPORT = {
    "overall": {
        "n": 200,
        "clean": measured(0.009),
        "real": measured(0.0096),
        "alone": measured(0.0087),
        "real / clean": {"crps": number(1.0784, 0.03)},
        "real / alone": {"crps": number(1.1034, 0.03)},
    },
    "fields": {
        "a": {"real / clean": {"crps": number(1.12)}, "real": measured(0.01)},
        "b": {
            "real / clean": {"crps": number(1.03)},
            "real": measured(0.009) | {"bias_median": number(0.0013)},
        },
    },
    "crowding": {
        "little": {"n": 190, "real": measured(0.0092)},
        "some": {"n": 8, "real": measured(0.016)},
        "bright": {"n": 2, "real": measured(0.035)},
    },
    "flags": {"clean": {UNLIKE: number(0.01, 0.004)}, "real": {UNLIKE: number(0.0975, 0.02)}},
    "unflagged": {"real": measured(0.009)},
    "found": {
        "n": 1900,
        "real": measured(0.0094),
        "magnitudes": [
            {
                "r": [14.0, 17.8],
                "n": 1907,
                "n_in_fields": {"galaxies": 21, "stars": 115},
                "complete": number(0.986, 0.01),
                "star_called_galaxy": number(0.003, 0.002),
                "purity": number(0.98, 0.01),
            },
        ],
    },
    "goals": {"crps_ratio": {"met": True}, "outlier_005": {"met": False}},
}


def test_the_table_has_a_row_per_sky_and_the_sentences_say_which_goals_are_met():
    lines = summary(REPORT).splitlines()
    assert lines[2] == (
        "| as rendered | 0.00900 (0.00860 to 0.00940) | 1.21 % (1.01 % to 1.41 %) | "
        "94.5 % (94.0 % to 95.0 %) | -0.00010 (-0.00050 to 0.00030) |"
    )
    crps = [line.split("| ")[2][:7] for line in lines[2:9]]
    rows = ("0.00900", "0.00870", "0.00960", "0.00920", "0.01600", "0.03500", "0.00940")
    assert tuple(crps) == rows
    assert [line.split("(")[1].split(")")[0] for line in lines[5:8]] == ["95.0 %", "4.0 %", "1.0 %"]
    assert lines[10].startswith(
        "CRPS in real sky is 1.078 (1.048 to 1.108) times that as rendered, in single fields "
        "1.030 to 1.120 times, and 1.103 (1.073 to 1.133) times"
    )
    assert lines[10].endswith(
        "the median Δ is -0.00010 (-0.00050 to 0.00030) to 0.00130 (0.00130 to 0.00130)."
    )
    assert lines[11] == (
        "Goals that are met: CRPS at most 1.08 times that as rendered. Goals that are not met: at "
        "most 1 % of outliers. The one for CRPS is met because these fields have better seeing or "
        "less noise than the rendered sky: against galaxies with theirs and nothing beside, it "
        "would be missed."
    )
    assert "are 9.8 (7.8 to 11.8) % of the 200 stamps in real sky and 1.0 (0.6 to" in lines[12]
    assert "98.6 (97.6 to 99.6) % are found" in lines[13]
    assert "as wide as the field's own, 0.3 (0.1 to 0.5) %" in lines[13]


def test_a_goal_that_is_met_beside_the_seeing_of_the_fields_too_needs_no_excuse():
    report = deepcopy(REPORT)
    report["overall"]["real / alone"]["crps"] = number(1.07, 0.03)
    assert summary(report).splitlines()[11].endswith("at most 1 % of outliers.")


def test_found_galaxies_and_stars_taken_for_galaxies_are_shown_by_magnitude():
    last = by_magnitude(REPORT).splitlines()[-1]
    assert last == (
        "| 14 to 17.8 | 1907 | 98.6 (97.6 to 99.6) % | 0.3 (0.1 to 0.5) % | 21, 115 | "
        "98.0 (97.0 to 99.0) % |"
    )


def test_what_is_not_known_is_a_dash():
    """A class of crowding without a galaxy, and a purity where the fields have no galaxy."""
    report, unknown = deepcopy(REPORT), dict.fromkeys(("value", "low", "high"))
    report["crowding"]["bright"] = {"n": 0, "real": dict.fromkeys(measured(1), unknown)}
    report["found"]["magnitudes"][-1]["purity"] = unknown
    lines = summary(report).splitlines()
    assert lines[7].endswith("(0.0 %) | – | – | – | – |")
    assert by_magnitude(report).endswith("| – % |")
