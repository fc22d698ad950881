import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.evaluation.metric_names import METRICS
from pix2z.tracking.promotion.gate import champion_checks, limit_checks

LIMITS = {"crps": 0.01, "mae": 0.015, "nmad": 0.015, "outlier_005": 0.02, "bias_mean": 0.003}
CALIBRATION = {"coverage_68": 0.05, "coverage_95": 0.025, "pit_ks": 0.05}
GOOD = {
    "crps": 0.008,
    "mae": 0.012,
    "nmad": 0.012,
    "outlier_005": 0.01,
    "bias_mean": -0.001,
    "coverage_68": 0.69,
    "coverage_95": 0.94,
    "pit_ks": 0.03,
}
LOWER = ("crps", "mae", "nmad", "outlier_005")


def drawn(values, *, spread=1e-4, seed=1):
    """Resamples around values; the same draws for everyone, as paired ones are."""
    noise = np.random.default_rng(seed).normal(0, spread, 400)
    return {name: value + noise for name, value in values.items()}


def failing(checks):
    return [check.name for check in checks if not check.passed]


def checks_of(values):
    metrics = values, drawn(values)
    return [
        *limit_checks("limits", metrics, LIMITS),
        *limit_checks("calibration", metrics, CALIBRATION),
    ]


def test_what_is_within_every_limit_passes():
    checks = checks_of(GOOD)
    assert [check.passed for check in checks] == [True] * 8
    assert not failing(checks)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("crps", 0.0101),
        ("mae", 0.0151),
        ("nmad", 0.0151),
        ("outlier_005", 0.0201),
        ("bias_mean", 0.0031),
        ("bias_mean", -0.0031),
        ("coverage_68", 0.6299),
        ("coverage_68", 0.7301),
        ("coverage_95", 0.9249),
        ("coverage_95", 0.9751),
        ("pit_ks", 0.0501),
        *((metric, math.nan) for metric in GOOD),
    ],
)
def test_each_line_fails_alone_where_it_should(metric, value):
    assert failing(checks_of(GOOD | {metric: value})) == [METRICS[metric].label]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("crps", 0.01),
        ("bias_mean", 0.003),
        ("bias_mean", -0.003),
        ("coverage_68", 0.63),
        ("coverage_68", 0.73),
        ("coverage_95", 0.975),
        ("pit_ks", 0.05),
    ],
)
def test_a_value_on_its_limit_passes(metric, value):
    assert not failing(checks_of(GOOD | {metric: value}))


def test_a_line_says_what_was_measured_and_what_was_expected():
    *_, check, _ = checks_of(GOOD | {"coverage_95": 0.9122})
    assert check.sentence.startswith("95 % coverage: 91.2 % (")
    assert check.sentence.endswith("), expected 92.5 % to 97.5 %")
    bias = next(c for c in checks_of(GOOD) if c.name == "mean bias")
    assert bias.limit == "-0.00300 to 0.00300"
    assert bias.measured.startswith("-0.00100 (")


def against(values, champion, *, spread=1e-4, metrics=LOWER):
    return champion_checks(
        (values, drawn(values, spread=spread)),
        (champion, drawn(champion, spread=spread, seed=2)),
        metrics,
    )


def test_a_significant_loss_in_one_metric_fails_that_line_alone():
    checks = against(GOOD | {"mae": 0.0135}, GOOD)
    assert failing(checks) == ["MAE minus the champion's"]
    assert checks[1].numbers["low"] > 0


def test_a_loss_within_chance_passes():
    assert not failing(against(GOOD | {"mae": 0.01201}, GOOD))


def test_chance_is_paired():
    """A loss far below the scatter of each is found where that scatter is common to both."""
    worse = GOOD | {"crps": GOOD["crps"] + 1e-5}
    common = drawn(GOOD, spread=1e-3)
    paired = champion_checks(
        (worse, {name: value + 1e-5 for name, value in common.items()}), (GOOD, common), ["crps"]
    )
    assert failing(paired)
    assert not failing(against(worse, GOOD, spread=1e-3, metrics=["crps"]))


def test_the_champion_itself_passes():
    same = (GOOD, drawn(GOOD))
    assert not failing(champion_checks(same, same, LOWER))


def test_what_is_undefined_does_not_pass():
    undefined = {name: np.full(400, math.nan) for name in GOOD}
    assert len(failing(champion_checks((GOOD, undefined), (GOOD, drawn(GOOD)), LOWER))) == 4


errors = st.floats(0.001, 0.1)


@given(st.sampled_from(LOWER), errors, st.floats(0, 0.05))
def test_getting_worse_never_turns_a_refusal_into_a_pass(metric, value, more):
    place = LOWER.index(metric)
    values = [GOOD | {metric: v} for v in (value, value + more)]
    before, after = (checks_of(v)[place] for v in values)
    assert before.passed or not after.passed
    before, after = (against(v, GOOD)[place] for v in values)
    assert before.passed or not after.passed


@given(st.sampled_from(("coverage_68", "coverage_95")), st.floats(0, 1), st.floats(0, 1))
def test_only_distance_from_the_nominal_coverage_counts(metric, one, other):
    nominal = {"coverage_68": 0.68, "coverage_95": 0.95}[metric]
    near, far = sorted((one, other), key=lambda value: abs(value - nominal))
    passes = [not failing(checks_of(GOOD | {metric: v})) for v in (near, far)]
    assert passes[0] or not passes[1]


@given(errors, errors)
def test_of_two_that_differ_significantly_one_is_refused(one, other):
    first, second = GOOD | {"crps": one}, GOOD | {"crps": other}
    there, back = (
        against(*pair, metrics=["crps"])[0] for pair in ((first, second), (second, first))
    )
    assert there.passed or back.passed
    assert there.numbers["value"] == -back.numbers["value"]
