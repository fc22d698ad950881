import dataclasses

import pytest

from pix2z.evaluation.contrasts import (
    CONTRAST_METRICS,
    PRIMARY_METRICS,
    Contrast,
    is_primary,
    subset_phrase,
    verdict,
)
from pix2z.evaluation.metric_names import METRICS, format_difference, format_value

PRIMARY = Contrast("full", "clipped", "inside", "mae", -0.002, -0.003, -0.001, p_holm=0.004)
EXPLORATORY = Contrast("full", "trees", "whole", "outlier_005", 0.01, 0.004, 0.016)


def say(contrast, single_seed=()):
    where = subset_phrase(contrast.subset, 1900, high_only=True)
    return verdict(contrast, where=where, single_seed=single_seed)


def test_the_primary_family_is_fixed():
    assert is_primary("full", "clipped", "inside", "crps")
    assert is_primary("clipped", "subsample", "inside", "mae")
    assert not is_primary("full", "clipped", "whole", "crps")
    assert not is_primary("full", "clipped", "inside", "nmad")
    assert not is_primary("full", "subsample", "inside", "mae")
    assert set(PRIMARY_METRICS) < set(CONTRAST_METRICS) < set(METRICS)


def test_a_primary_verdict_names_numbers_unit_and_corrected_p():
    assert say(PRIMARY) == (
        "Inside the clip window, n = 1,900: MAE of full is 0.00200 in redshift below that of"
        " clipped (95 % interval -0.00300 to -0.00100, Holm-corrected p = 0.004): full is better."
    )


def test_a_primary_contrast_is_judged_by_its_corrected_p():
    weak = dataclasses.replace(PRIMARY, p_holm=0.2)
    assert not weak.significant
    assert say(weak).endswith("no significant difference.")


def test_an_exploratory_contrast_is_judged_by_its_interval():
    assert say(EXPLORATORY) == (
        "Whole test set, n = 1,900: outliers > 0.05 of full is 1.00 percentage points above that"
        " of trees (95 % interval 0.40 % to 1.60 %): trees is better."
    )
    wide = dataclasses.replace(EXPLORATORY, low=-0.001)
    assert say(wide).endswith("no significant difference.")


def test_where_higher_is_better_the_higher_one_wins():
    assert "full is better" in say(Contrast("full", "knn", "whole", "r2", 0.1, 0.05, 0.15))
    assert "knn is better" in say(Contrast("full", "knn", "whole", "r2", -0.1, -0.15, -0.05))


def test_a_difference_in_bias_names_no_winner():
    text = say(Contrast("full", "knn", "whole", "bias_mean", 0.1, 0.05, 0.15))
    assert "favours neither" in text


def test_an_arm_trained_once_is_named():
    assert say(PRIMARY, ["full"]).endswith("; the scatter of trainings of full is not known.")


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("mae", 0.012345, "0.01235"),
        ("mae", -0.000001, "0.00000"),
        ("outlier_005", 0.0123, "1.23 %"),
        ("coverage_68", None, "–"),
    ],
)
def test_values_are_written_in_their_own_digits(metric, value, text):
    assert format_value(metric, value) == text


def test_differences_carry_their_unit():
    assert format_difference("crps", -0.00123) == "0.00123 in redshift"
    assert format_difference("outlier_005", 0.01) == "1.00 percentage points"
