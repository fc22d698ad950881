"""The judgement of answers; real processes are in test_promote_end_to_end.py."""

import numpy as np
import pytest

from pix2z.tracking.promotion.served import TOLERANCE, served_check

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


def changed(name, place, value):
    return ANSWERS | {name: np.where(np.arange(6) == place, value, ANSWERS[name])}


def test_the_estimators_own_answers_pass():
    check = served_check({**ANSWERS, "flags": np.zeros(6), "later": np.zeros(6)}, ANSWERS)
    assert check.passed
    assert check.measured.startswith("6 answers")


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_fails(name, value):
    check = served_check(changed(name, 2, value), ANSWERS)
    assert not check.passed
    assert check.measured == f"1 values of {name} are not finite"


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_not_the_estimators_fails(name):
    check = served_check(changed(name, 3, ANSWERS[name][3] + 3 * TOLERANCE), ANSWERS)
    assert not check.passed
    assert f"{name} differs from the estimator's by up to 3e-05" in check.measured


def test_rounding_passes():
    rounded = {name: values.astype(np.float32) for name, values in ANSWERS.items()}
    assert served_check(rounded, ANSWERS).passed


@pytest.mark.parametrize(
    ("name", "value"),
    [("z_err68_low", 0.2), ("z_err95_low", 0.045), ("z_err68_high", 0.0), ("z_err95_high", 0.055)],
)
def test_limits_out_of_order_fail_also_where_the_estimator_has_them(name, value):
    wrong = changed(name, 0, value)
    check = served_check(wrong, wrong)
    assert not check.passed
    assert "not in order" in check.measured


def test_a_missing_or_short_column_fails():
    without = {name: values for name, values in ANSWERS.items() if name != "z_mode"}
    assert served_check(without, ANSWERS).measured == "no column z_mode of 6 answers"
    assert not served_check(ANSWERS | {"z_mode": MEDIAN[:5]}, ANSWERS).passed


def test_a_version_without_answers_fails_with_the_reason():
    check = served_check("does not load", ANSWERS)
    assert (check.passed, check.measured) == (False, "does not load")
