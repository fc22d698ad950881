"""The judgement of what a version answers; a real process is in test_commands.py."""

import numpy as np
import pytest

from pix2z.tracking.promotion.smoke import TOLERANCE, served_fault

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
    answers = {name: values + 0.9 * TOLERANCE for name, values in ANSWERS.items()}
    assert not served_fault(
        {**answers, "pix2z_flags": np.zeros(6), "later": np.zeros(6)}, PREDICTED
    )


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_fails(name, value):
    fault = served_fault(changed(name, 2, value), PREDICTED)
    assert fault == f"1 values of {name} are not finite"


@pytest.mark.parametrize("name", PREDICTED)
def test_an_answer_that_was_not_predicted_fails(name):
    fault = served_fault(changed(name, 3, ANSWERS[name][3] + 3 * TOLERANCE), PREDICTED)
    assert f"{name} differs from what it predicted by up to 0.0003" in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [("z_err68_low", 0.2), ("z_err95_low", 0.045), ("z_err68_high", 0.0), ("z_err95_high", 0.055)],
)
def test_limits_out_of_order_fail_also_where_they_were_predicted_so(name, value):
    wrong = changed(name, 0, value)
    assert "not in order" in served_fault(wrong, wrong)


def test_what_is_missing_or_short_fails():
    without = {name: values for name, values in ANSWERS.items() if name != "z_mode"}
    assert served_fault(without, PREDICTED) == "no column z_mode of 6 answers"
    assert served_fault(ANSWERS | {"z_mode": MEDIAN[:5]}, PREDICTED)
