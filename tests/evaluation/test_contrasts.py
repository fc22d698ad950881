import pytest

from pix2z.evaluation.contrasts import (
    PAIRS,
    PRIMARY,
    by_networks,
    family,
    finding,
    outcome,
    subset_phrase,
    told,
    verdict,
)
from pix2z.evaluation.metric_names import METRICS, format_value, margin_of


def entry(metric, low, high, *, margin=0.001, once=(), p_holm=None, a="full", b="clipped"):
    """A contrast; primary where it has Holm's p."""
    made = {"a": a, "b": b, "metric": metric, "low": low, "high": high, "margin": margin}
    made |= {"difference": None if low is None else (low + high) / 2, "single_seed": list(once)}
    made |= {"primary": p_holm is not None} | ({"p_holm": p_holm} if p_holm is not None else {})
    return made | {"outcome": outcome(made, better=METRICS[metric].better)}


@pytest.mark.parametrize(
    ("contrast", "expected"),
    [
        # Without zero, beyond the margin or across its end.
        (entry("crps", -0.003, -0.002), "better"),
        (entry("crps", 0.002, 0.003), "worse"),
        (entry("crps", -0.003, -0.0001), "better"),
        # Inside the margin is equal, even where zero is outside the interval.
        (entry("crps", -0.0009, 0.0009), "equivalent"),
        (entry("crps", 0.0001, 0.0009), "equivalent"),
        (entry("crps", 0.0001, 0.0009, p_holm=0.001), "equivalent"),
        # With zero and across the margin.
        (entry("crps", -0.0009, 0.0011), "undecided"),
        (entry("crps", -0.003, 0.003), "undecided"),
        # A primary one needs its corrected p, too.
        (entry("crps", -0.003, -0.002, p_holm=0.049), "better"),
        (entry("crps", -0.003, -0.002, p_holm=0.051), "undecided"),
        # One training: the margin stands for the scatter that is not known, and equality is not
        # shown, nor anything of a metric without a margin.
        (entry("crps", -0.003, -0.002, once=["full"]), "better"),
        (entry("crps", -0.003, -0.0009, once=["full"]), "undecided"),
        (entry("crps", 0.0009, 0.003, once=["full"]), "undecided"),
        (entry("crps", -0.0009, 0.0009, once=["full"]), "undecided"),
        (entry("crps", 0.0001, 0.0009, once=["full"]), "undecided"),
        (entry("r2", 0.05, 0.15, margin=None, once=["full"]), "undecided"),
        (entry("bias_mean", 0.05, 0.15, margin=None, once=["full"]), "undecided"),
        (entry("outlier_005", 0.001, 0.002, margin=0.0, once=["full"]), "undecided"),
        # Where higher is better, and where neither side is; these have no margin.
        (entry("r2", 0.05, 0.15, margin=None), "better"),
        (entry("r2", -0.15, -0.05, margin=None), "worse"),
        (entry("bias_mean", 0.05, 0.15, margin=None), "differ"),
        (entry("bias_mean", -0.05, 0.15, margin=None), "undecided"),
        # No outliers at all: 2 % of nothing is nothing, and equality is not shown.
        (entry("outlier_005", 0.0, 0.0, margin=0.0), "undecided"),
        (entry("crps", None, None), None),
    ],
)
def test_the_interval_and_the_margin_decide(contrast, expected):
    assert contrast["outcome"] == expected


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        (entry("crps", -0.003, -0.002), "full is better"),
        (entry("crps", 0.002, 0.003, once=["full"]), "clipped is better (one training of full)"),
        (entry("crps", 0.0, 0.0005), "equal within 2 %"),
        (entry("crps", 0.0, 0.003), "cannot be told apart"),
        (entry("crps", 0.0, 0.0005, once=["full"]), "no verdict (one training of full)"),
        (entry("crps", -0.003, -0.0005), "full is better, perhaps by less than 2 %"),
        (entry("crps", 0.0005, 0.003), "clipped is better, perhaps by less than 2 %"),
        (entry("bias_mean", 0.05, 0.15, margin=None), "they differ, which by its sign alone"),
    ],
)
def test_each_outcome_has_its_words(contrast, words):
    said = finding(contrast, margin=0.02)
    assert said.startswith(words)
    assert ("perhaps" in said) == ("perhaps" in words)


@pytest.mark.parametrize(
    ("contrast", "sentence"),
    [
        (
            entry("mae", -0.003, -0.001, p_holm=0.004, margin=0.00024),
            "Inside the clip window, n = 1,900: full is better. MAE of full is 0.00200 in redshift"
            " below that of clipped (95 % interval -0.00300 to -0.00100, margin 0.00024,"
            " Holm-corrected p = 0.004).",
        ),
        (
            entry("outlier_005", 0.004, 0.016, b="trees", margin=0.0002, once=["full"]),
            "Inside the clip window, n = 1,900: trees is better (one training of full). Outliers"
            " > 0.05 of full is 1.00 percentage points above that of trees (95 %"
            " interval 0.40 % to 1.60 %, margin 0.02 %, exploratory). The scatter of"
            " trainings of full is not known.",
        ),
        (
            entry("crps", None, None),
            "Inside the clip window, n = 1,900: too few galaxies to compare full with clipped.",
        ),
    ],
)
def test_a_verdict_is_in_the_unit_of_its_metric_with_corrected_p_where_primary(contrast, sentence):
    where = subset_phrase("inside", 1900, high_only=True)
    assert verdict(contrast, where=where, margin=0.02) == sentence


@pytest.mark.parametrize(
    ("metric", "error", "expected"),
    [
        ("crps", 0.009, 0.00018),
        ("outlier_005", 0.004, 0.00008),
        ("crps", float("nan"), None),
        ("cde_loss", -21.0, None),
        ("r2", 0.9, None),
        ("bias_mean", 0.001, None),
        ("coverage_68", 0.7, None),
    ],
)
def test_only_of_an_error_a_share_means_something(metric, error, expected):
    assert margin_of(metric, error, share=0.02) == (expected and pytest.approx(expected))


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


def test_the_families_are_those_of_the_design():
    assert {name: len(of) for name, of in PRIMARY.items()} == {"clipping": 3, "pixels": 2}
    assert family("full", "clipped", "inside", "crps") == "clipping"
    assert family("full", "apertures", "whole", "crps") == "pixels"
    assert family("full", "apertures", "inside", "crps") is None
    assert ("apertures", "catalogue") in PAIRS
    assert family("apertures", "catalogue", "whole", "crps") is None
    assert family("full", "clipped", "inside", "mae") is None


def test_contrasts_of_the_subsample_are_judged_by_single_networks():
    assert by_networks("full", "subsample")
    assert by_networks("clipped", told("subsample"))
    assert not by_networks(told("full"), "clipped")
    made = entry("crps", -0.0001, 0.0003, b="subsample")
    assert "(single networks, 95 % interval" in verdict(made, where="There", margin=0.02)
