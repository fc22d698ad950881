"""What the lines of the gate allow, refuse and say, and how often chance decides."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kstwo

from pix2z.config.promotion import PromotionConfig
from pix2z.evaluation.arm_metrics import Measured
from pix2z.evaluation.metric_names import METRICS
from pix2z.evaluation.point_metrics import point_metrics
from pix2z.tracking.promotion.gate import (
    ERRORS,
    calibration_checks,
    champion_checks,
    limit_checks,
)
from tests.tracking.promotion.planted import (
    calibrated_pass,
    comparisons,
    errors_of,
    scores_of,
    sky,
)

LIMITS = {"crps": 0.01, "mae": 0.015, "nmad": 0.015, "outlier_005": 0.02}
TOLERANCES = {"coverage_68": 0.05, "coverage_95": 0.025, "pit_ks": 0.05, "bias_mean": 0.003}
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
MANY = 10**9
"""So many galaxies that chance is next to nothing."""
UNKNOWN = ({}, {})
"""Scatter of the seeds of candidate and champion."""


def drawn(values, *, spread=1e-4, seed=1):
    """Resamples around values; the same draws for everyone, as paired ones are."""
    noise = np.random.default_rng(seed).normal(0, spread, 400)
    return Measured(values, {name: value + noise for name, value in values.items()})


def failing(checks):
    return [check.name for check in checks if not check.passed]


def checks_of(values, *, n=MANY, spread=1e-9):
    measured = drawn(values, spread=spread)
    fixed = Measured(LIMITS, {name: np.full(400, value) for name, value in LIMITS.items()})
    return [*limit_checks(measured, fixed), *calibration_checks(measured, TOLERANCES, n=n)]


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
        ("pit_ks", 0.0502),
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


def test_chance_of_n_galaxies_comes_on_top_of_a_tolerance():
    """Independent oracles: the binomial and the Kolmogorov distribution, four lines together."""
    bounds = {
        check.name: check.numbers["bound"]
        for check in calibration_checks(drawn(GOOD, spread=1e-3), TOLERANCES, n=100)
    }
    low = binom.ppf(0.05 / 4 / 2, 100, 0.95) / 100
    assert bounds["95 % coverage"] == pytest.approx(0.025 + 0.95 - low)
    assert kstwo.sf(bounds["PIT KS"] - 0.05, 100) == pytest.approx(0.05 / 4)
    assert bounds["mean bias"] == pytest.approx(0.003 + 2.5e-3, rel=0.1)


def test_a_limit_is_exceeded_only_beyond_chance():
    """2.24 standard deviations: one side, four lines together."""
    for above, passes in ((0.0001, True), (0.0002, True), (0.00025, False)):
        checks = checks_of(GOOD | {"crps": LIMITS["crps"] + above}, spread=1e-4)
        assert ("CRPS" not in failing(checks)) == passes


def test_chance_in_the_limit_counts_too():
    """The arm that sets it was measured on validation galaxies, which may be few."""
    value = GOOD | {"crps": LIMITS["crps"] + 0.0005}
    sharp, blurred = (drawn(LIMITS, spread=spread, seed=2) for spread in (1e-5, 1e-3))
    assert failing(limit_checks(drawn(value), sharp)) == ["CRPS"]
    assert not failing(limit_checks(drawn(value), blurred))


def test_a_line_says_what_was_measured_and_what_was_expected():
    checks = {check.name: check for check in checks_of(GOOD | {"coverage_95": 0.9022}, n=1000)}
    assert checks["95 % coverage"].sentence.startswith("95 % coverage: 90.2 % (")
    assert checks["95 % coverage"].sentence.endswith("), expected 95.0 % ± 2.5 % ± 1.8 %")
    assert checks["mean bias"].limit == "0 ± 0.00300 ± 0.00000"
    assert checks["mean bias"].measured.startswith("-0.00100 (")
    assert checks["CRPS"].limit == "≤ 0.01000 + 0.00000"
    assert checks["PIT KS"].limit == "≤ 0.0500 + 0.0502"


def against(values, champion, *, spread=1e-5, seeds=UNKNOWN, margin=0.03):
    return champion_checks(
        drawn(values, spread=spread), drawn(champion, spread=spread, seed=2), seeds, margin=margin
    )


def test_a_significant_loss_in_one_metric_fails_that_line_alone():
    checks = against(GOOD | {"mae": 0.0135}, GOOD)
    assert failing(checks) == ["MAE minus the champion's"]
    assert checks[1].numbers["low"] > 0


def test_a_loss_within_chance_passes():
    assert not failing(against(GOOD | {"mae": 0.01201}, GOOD))


def test_crps_may_be_larger_within_the_margin_where_that_is_shown():
    """Significantly worse, but by less than 3 %; not where the interval reaches beyond that."""
    worse = GOOD | {"crps": 1.02 * GOOD["crps"]}
    crps, *others = against(worse, GOOD)
    assert crps.passed
    assert crps.numbers["low"] > 0
    assert crps.limit == "interval below 0.00024, 3 %, chance of seeds not known"
    assert not failing(others)
    name = "CRPS minus the champion's"
    assert failing(against(worse, GOOD, spread=1e-4)) == [name]
    assert failing(against(GOOD | {"crps": 1.04 * GOOD["crps"]}, GOOD)) == [name]


def test_without_a_margin_only_a_significant_loss_of_crps_is_refused():
    worse = GOOD | {"crps": 1.04 * GOOD["crps"]}
    assert not failing(against(worse, GOOD, spread=2e-4, margin=None))
    assert failing(against(worse, GOOD, margin=None)) == ["CRPS minus the champion's"]


def test_chance_of_seeds_is_in_the_interval():
    """s^2 / k for each pool; two seeds leave one degree of freedom, whose t is 12.7."""
    three = {metric: [value - 1e-4, value, value + 1e-4] for metric, value in GOOD.items()}
    crps, mae, *_ = against(GOOD, GOOD, spread=1e-9, seeds=(three, three))
    half = 2.776 * 1e-4 * np.sqrt(2 / 3)  # t of 4 degrees of freedom
    assert crps.numbers["high"] == pytest.approx(half, rel=1e-3)
    assert mae.numbers["high"] > half  # three lines together
    assert "not known" not in crps.limit
    two = {metric: [value - 1e-4, value] for metric, value in GOOD.items()}
    crps, *_ = against(GOOD, GOOD, spread=1e-9, seeds=(two, {}))
    assert crps.numbers["high"] == pytest.approx(12.706 * 5e-5, rel=1e-3)
    assert "chance of seeds not known" in crps.limit


def test_a_loss_that_training_anew_explains_passes():
    """However many galaxies there are: the pools of one network differ a little in truth."""
    worse = GOOD | {"mae": GOOD["mae"] + 5e-5}
    three = {metric: [value - 1e-4, value, value + 1e-4] for metric, value in GOOD.items()}
    assert failing(against(worse, GOOD, spread=1e-7)) == ["MAE minus the champion's"]
    assert not failing(against(worse, GOOD, spread=1e-7, seeds=(three, three)))


def test_chance_is_paired():
    """A loss far below the scatter of each is found where that scatter is common to both."""
    worse = GOOD | {"mae": GOOD["mae"] + 1e-5}
    common = drawn(GOOD, spread=1e-3)
    paired = Measured(
        worse, {name: v + worse[name] - GOOD[name] for name, v in common.replicates.items()}
    )
    assert failing(champion_checks(paired, common, UNKNOWN, margin=0.03))
    assert not failing(against(worse, GOOD, spread=1e-3, margin=None))


def test_the_champion_itself_passes():
    same = drawn(GOOD)
    assert not failing(champion_checks(same, same, UNKNOWN, margin=0.03))


def test_what_is_undefined_does_not_pass():
    undefined = Measured(GOOD, {name: np.full(400, math.nan) for name in GOOD})
    assert len(failing(champion_checks(undefined, drawn(GOOD), UNKNOWN, margin=0.03))) == 4


errors = st.floats(0.001, 0.1)


@given(st.sampled_from(ERRORS), errors, st.floats(0, 0.05))
def test_getting_worse_never_turns_a_refusal_into_a_pass(metric, value, more):
    place = ERRORS.index(metric)
    values = [GOOD | {metric: v} for v in (value, value + more)]
    before, after = (checks_of(v)[place] for v in values)
    assert before.passed or not after.passed
    for margin in (0.03, None):
        before, after = (against(v, GOOD, margin=margin)[place] for v in values)
        assert before.passed or not after.passed


@given(st.sampled_from(("coverage_68", "coverage_95")), st.floats(0, 1), st.floats(0, 1))
def test_only_distance_from_the_nominal_coverage_counts(metric, one, other):
    nominal = {"coverage_68": 0.68, "coverage_95": 0.95}[metric]
    near, far = sorted((one, other), key=lambda value: abs(value - nominal))
    passes = [not failing(checks_of(GOOD | {metric: v})) for v in (near, far)]
    assert passes[0] or not passes[1]


@given(errors, errors)
def test_of_two_that_differ_significantly_one_is_refused(one, other):
    first, second = GOOD | {"mae": one}, GOOD | {"mae": other}
    there, back = (against(*pair)[1] for pair in ((first, second), (second, first)))
    assert there.passed or back.passed
    assert there.numbers["value"] == -back.numbers["value"]


PROMOTION = PromotionConfig.read()


TRIALS = 200
"""Where one trial in ten is wrong, no more than one in twenty of so many is in 0.8 % of cases."""


def test_planted_errors_are_those_of_the_evaluation():
    galaxies = sky(np.random.default_rng(3), 301)
    scores = scores_of(galaxies, galaxies.centre + 0.3 * galaxies.width, 3.0)
    expected = point_metrics(galaxies.z_spec + scores[1], galaxies.z_spec)
    expected["crps"] = scores[0].mean()
    assert expected["outlier_005"] > 0
    found = errors_of(scores)
    assert set(found) == set(ERRORS)
    for metric, value in found.items():
        assert value == pytest.approx(expected[metric], rel=1e-12)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("n", [500, 2000])
def test_an_equal_model_is_refused_at_most_once_in_twenty(n, k):
    """Pools of networks trained anew, on the margin of params.yaml; all four lines."""
    pairs = comparisons(TRIALS, n, k=k, n_bootstrap=25)
    assert np.mean([pair.passes(PROMOTION.margin) for pair in pairs]) >= 0.95


@pytest.mark.parametrize("k", [3, 5])
def test_of_models_that_are_5_percent_worse_at_most_one_in_twenty_passes(k):
    """With 500 galaxies, the fewest that a margin is asked of."""
    pairs = comparisons(TRIALS, 500, k=k, worse=0.05, n_bootstrap=25)
    assert np.mean([pair.passes(PROMOTION.margin) for pair in pairs]) <= 0.05


@pytest.mark.parametrize("n", [50, 200, 500, 2000])
def test_a_calibrated_model_passes_whatever_the_number_of_galaxies(n):
    """Chance alone fails a line at most once in twenty, even without tolerances of PDFs."""
    tolerances = PROMOTION.calibration.model_dump()
    nearly_none = dict.fromkeys(tolerances, 1e-9) | {"bias_mean": tolerances["bias_mean"]}
    assert calibrated_pass(TRIALS, n, nearly_none) >= 0.95
