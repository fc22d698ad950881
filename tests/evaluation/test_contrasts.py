import pytest

from pix2z.evaluation.contrasts import subset_phrase, verdict
from pix2z.evaluation.metric_names import format_value


def entry(a, b, metric, difference, low, high, **more):
    values = {"a": a, "b": b, "metric": metric, "difference": difference, "low": low, "high": high}
    return values | {"primary": False} | more


PRIMARY = entry("full", "clipped", "mae", -0.002, -0.003, -0.001, primary=True, p_holm=0.004)
EXPLORATORY = entry("full", "trees", "outlier_005", 0.01, 0.004, 0.016)


def say(contrast, single_seed=()):
    where = subset_phrase("inside", 1900, high_only=True)
    return verdict(contrast, where=where, single_seed=single_seed)


@pytest.mark.parametrize(
    ("contrast", "sentence"),
    [
        (
            PRIMARY,
            "Inside the clip window, n = 1,900: full is better. MAE of full is 0.00200 in redshift"
            " below that of clipped (95 % interval -0.00300 to -0.00100, Holm-corrected p ="
            " 0.004).",
        ),
        (
            EXPLORATORY,
            "Inside the clip window, n = 1,900: trees is better. Outliers > 0.05 of full is 1.00"
            " percentage points above that of trees (95 % interval 0.40 % to 1.60 %).",
        ),
    ],
)
def test_a_verdict_is_in_the_unit_of_its_metric_with_corrected_p_where_primary(contrast, sentence):
    assert say(contrast) == sentence


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        # A primary contrast is judged by its corrected p, another by its interval.
        (PRIMARY | {"p_holm": 0.2}, "no significant difference."),
        (EXPLORATORY | {"low": -0.001}, "no significant difference."),
        # Of r2 the higher value is better; a bias has no better side.
        (entry("full", "knn", "r2", 0.1, 0.05, 0.15), "full is better"),
        (entry("full", "knn", "r2", -0.1, -0.15, -0.05), "knn is better"),
        (entry("full", "knn", "bias_mean", 0.1, 0.05, 0.15), "favours neither"),
    ],
)
def test_a_verdict_names_the_better_one_where_there_is_one(contrast, words):
    assert words in say(contrast)


def test_an_arm_trained_once_is_named():
    assert say(PRIMARY, ["full"]).endswith(" The scatter of trainings of full is not known.")


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
