"""The judgement of what a version answers; a real process is in test_commands.py."""

import numpy as np
import pytest

from pix2z.tracking.promotion.smoke import TOLERANCE, served_check

MEDIAN = np.linspace(0.05, 0.3, 6)
ANSWERS = {
    "z_median": MEDIAN,
    "z_mean": MEDIAN + 0.001,
    "z_mode": MEDIAN - 0.001,
    "z_err68_low": MEDIAN - 0.01,
    "z_err68_high": MEDIAN + 0.01,
    "z_err95_low": MEDIAN - 0.02,
    "z_err95_high": MEDIAN + 0.02,
}
PREDICTED = {name: values for name, values in ANSWERS.items() if name != "z_mode"}


def changed(name, place, value):
    return ANSWERS | {name: np.where(np.arange(6) == place, value, ANSWERS[name])}


def test_what_was_predicted_passes_but_for_rounding():
    answers = {**ANSWERS, "flags": np.zeros(6), "later": np.zeros(6)}
    check = served_check(answers, PREDICTED)
    assert check.passed
    assert check.measured.startswith("6 answers as predicted")
    rounded = {name: values + 0.9 * TOLERANCE for name, values in ANSWERS.items()}
    assert served_check(rounded, PREDICTED).passed


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_fails(name, value):
    check = served_check(changed(name, 2, value), PREDICTED)
    assert check.passed is False
    assert check.measured == f"1 values of {name} are not finite"


@pytest.mark.parametrize("name", PREDICTED)
def test_an_answer_that_was_not_predicted_fails(name):
    check = served_check(changed(name, 3, ANSWERS[name][3] + 3 * TOLERANCE), PREDICTED)
    assert check.passed is False
    assert f"{name} differs from what it predicted by up to 0.0003" in check.measured


@pytest.mark.parametrize(
    ("name", "value"),
    [("z_err68_low", 0.2), ("z_err95_low", 0.045), ("z_err68_high", 0.0), ("z_err95_high", 0.055)],
)
def test_limits_out_of_order_fail_also_where_they_were_predicted_so(name, value):
    wrong = changed(name, 0, value)
    check = served_check(wrong, wrong)
    assert check.passed is False
    assert "not in order" in check.measured


def test_what_is_missing_or_short_or_not_there_at_all_fails():
    without = {name: values for name, values in ANSWERS.items() if name != "z_mode"}
    assert served_check(without, PREDICTED).measured == "no column z_mode of 6 answers"
    assert not served_check(ANSWERS | {"z_mode": MEDIAN[:5]}, PREDICTED).passed
    check = served_check("does not load", PREDICTED)
    assert (check.passed, check.measured) == (False, "does not load")
