import copy

import pytest
from pix2z.evaluation.answer import answer, find_contrast

from pix2z.evaluation.contrasts import TOLD_WINDOW


def entry(a, b, subset, metric, difference, p_holm):
    return {
        **{"a": a, "b": b, "subset": subset, "metric": metric, "difference": difference},
        **{"low": difference - 0.0002, "high": difference + 0.0002, "primary": subset == "inside"},
        "p_holm": p_holm,
    }


def comparison(difference=0.0, p_holm=0.9):
    value = {"value": 0.012, "low": 0.011, "high": 0.013}
    arm = {subset: {"mae": value, "crps": value} for subset in ("inside", "outside")}
    contrasts = [
        entry("full", "clipped", "inside", "crps", difference, p_holm),
        entry("full", "clipped", "inside", "mae", difference, p_holm),
        entry("clipped", "subsample", "inside", "mae", -0.002, 0.001),
        entry("full", "clipped", "outside", "mae", -0.03, None),
    ]
    return {
        "test": {"n": 2000, "n_inside": 1920},
        "arms": {"full": arm, "clipped": arm},
        "contrasts": contrasts,
    }


@pytest.mark.parametrize(
    ("difference", "p_holm", "beginning"),
    [
        (0.0, 0.9, "Inside the clip window, where both were trained, networks trained on"),
        (0.003, 0.2, "Inside the clip window, where both were trained, networks trained on"),
        (0.003, 0.01, "Inside the clip window, training on the clipped sample improves CRPS and"),
        (-0.003, 0.01, "Even inside the clip window, training on the clipped sample worsens"),
    ],
)
def test_the_answer_follows_sign_and_significance(difference, p_holm, beginning):
    assert answer(comparison(difference, p_holm)).startswith(beginning)


def test_metrics_that_disagree_are_said_to():
    mixed = comparison(0.003, 0.01)
    mixed["contrasts"][1] |= {"difference": -0.003}
    assert answer(mixed).startswith("The primary metrics disagree")


def test_the_answer_gives_the_other_controls_and_limits():
    text = answer(comparison())
    assert "On the same 1,920 test galaxies" in text
    assert "clipped sample's size, clipping improves MAE" in text
    assert "Outside the window (n = 80)" in text
    assert "too small" not in text
    small = comparison() | {"test": {"n": 90, "n_inside": 80}}
    assert "too small for a conclusion" in answer(small)


def test_without_both_arms_there_is_no_answer():
    empty = comparison() | {"contrasts": []}
    assert "does not answer" in answer(empty)


def test_contrasts_are_found_by_their_four_names():
    found = comparison()
    kept = copy.deepcopy(found["contrasts"][3])
    assert find_contrast(found, "full", "clipped", "outside", "mae") == kept
    assert find_contrast(found, "full", "clipped", "outside", "crps") is None


@pytest.mark.parametrize(
    ("difference", "finding"),
    [
        (-0.001, "full is better"),
        (0.001, "clipped is better"),
        (0.0001, "no significant difference"),
    ],
)
def test_the_whole_test_set_is_told_too(difference, finding):
    found = comparison()
    found["arms"]["full"]["whole"] = found["arms"]["full"]["inside"]
    found["contrasts"].append(entry("full", "clipped", "whole", "crps", difference, None))
    assert f"over all test galaxies (exploratory): {finding} (CRPS" in answer(found)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (0.001, "clipping keeps an advantage"),
        (-0.001, "better than clipped"),
        (0.0001, "no significant difference is left"),
    ],
)
def test_what_knowing_the_window_is_worth_is_said(difference, words):
    found = comparison()
    found["controls"] = {TOLD_WINDOW: found["arms"]["full"]}
    found["contrasts"].append(entry(TOLD_WINDOW, "clipped", "inside", "crps", difference, None))
    assert words in answer(found)
