import dataclasses

import pytest

from pix2z.evaluation.contrasts import (
    Contrast,
    subset_phrase,
    verdict,
)
from pix2z.evaluation.metric_names import format_value

PRIMARY = Contrast("full", "clipped", "inside", "mae", -0.002, -0.003, -0.001, p_holm=0.004)
EXPLORATORY = Contrast("full", "trees", "whole", "outlier_005", 0.01, 0.004, 0.016)


def say(contrast, single_seed=()):
    where = subset_phrase(contrast.subset, 1900, high_only=True)
    return verdict(contrast, where=where, single_seed=single_seed)


def test_a_primary_verdict_names_numbers_unit_and_corrected_p():
    assert say(PRIMARY) == (
        "Inside the clip window, n = 1,900: MAE of full is 0.00200 in redshift below that of"
        " clipped (95 % interval -0.00300 to -0.00100, Holm-corrected p = 0.004): full is better."
    )


def test_an_exploratory_verdict_is_in_the_unit_of_its_metric():
    assert say(EXPLORATORY) == (
        "Whole test set, n = 1,900: outliers > 0.05 of full is 1.00 percentage points above that"
        " of trees (95 % interval 0.40 % to 1.60 %): trees is better."
    )


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        # A primary contrast is judged by its corrected p, another by its interval.
        (dataclasses.replace(PRIMARY, p_holm=0.2), "no significant difference."),
        (dataclasses.replace(EXPLORATORY, low=-0.001), "no significant difference."),
        # Of r2 the higher value is better; a bias has no better side.
        (Contrast("full", "knn", "whole", "r2", 0.1, 0.05, 0.15), "full is better"),
        (Contrast("full", "knn", "whole", "r2", -0.1, -0.15, -0.05), "knn is better"),
        (Contrast("full", "knn", "whole", "bias_mean", 0.1, 0.05, 0.15), "favours neither"),
    ],
)
def test_a_verdict_names_the_better_one_where_there_is_one(contrast, words):
    assert words in say(contrast)


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
