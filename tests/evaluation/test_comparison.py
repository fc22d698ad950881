import dataclasses
import json

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, select_terms
from pix2z.evaluation.arm_metrics import subset_values
from pix2z.evaluation.comparison import compare
from pix2z.evaluation.contrasts import TOLD, told
from pix2z.evaluation.metric_names import METRICS
from tests.evaluation.conftest import WINDOW, make_terms

ONE = subset_values(make_terms(600, seed=5, sigma=0.03), WINDOW)
"""A single training."""


def run(arms, controls=None, *, window=WINDOW, n_bootstrap=300, seed=1):
    return compare(
        arms,
        controls or {},
        clip_window=window,
        test_digest="abc",
        published_view={"full": None, "clipped": None, "note": ""},
        margin=0.02,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


@pytest.fixture(scope="module")
def comparison():
    arms = {
        "full": ArmGalaxies(
            make_terms(600, seed=1),
            {k: subset_values(make_terms(600, seed=10 + k), WINDOW) for k in (2, 1)},
            n_train=5000,
            cpu_seconds=60.5,
        ),
        "clipped": ArmGalaxies(make_terms(600, seed=2, clip=0.22)),
        "published_full": ArmGalaxies(make_terms(600, seed=5, sigma=0.03), {7: ONE}),
    }
    controls = {
        "trees": ArmGalaxies(make_terms(600, seed=4, sigma=0.0152)),
        told("subsample"): ArmGalaxies(make_terms(600, seed=3, sigma=0.03)),
    }
    return run(arms, controls)


def find(comparison, a, b, subset, metric):
    key = {"a": a, "b": b, "subset": subset, "metric": metric}
    (entry,) = (entry for entry in comparison["contrasts"] if key.items() <= entry.items())
    return entry


def test_the_layout_is_the_agreed_one(comparison):
    assert list(comparison) == [
        *("test", "arms", "controls", "margin", "contrasts", "published_view")
    ]
    assert comparison["margin"] == 0.02
    assert set(comparison["test"]) == {
        *("digest", "n", "n_inside", "clip_window", "outside_is_high")
    }
    for entry in (*comparison["arms"].values(), *comparison["controls"].values()):
        assert set(entry) == {
            *("whole", "inside", "outside"),
            *("seeds", "seed_sd", "n_train", "cpu_seconds"),
        }
        for subset in ("whole", "inside", "outside"):
            assert list(entry[subset]) == list(METRICS)
            assert all(set(value) == {"value", "low", "high"} for value in entry[subset].values())
    required = {"a", "b", "subset", "metric", "difference", "low", "high", "margin", "single_seed"}
    required |= {"primary", "outcome", "verdict"}
    for entry in comparison["contrasts"]:
        extra = {"p_holm"} if entry["primary"] else set()
        extra |= {"ratio"} if entry["metric"] == "crps" else set()
        assert set(entry) == required | extra
    json.dumps(comparison, allow_nan=False)


def test_primary_contrasts_come_first_and_are_exactly_three(comparison):
    flags = [entry["primary"] for entry in comparison["contrasts"]]
    assert flags[:3] == [True] * 3
    assert not any(flags[3:])
    keys = ("a", "b", "subset", "metric")
    assert {tuple(entry[key] for key in keys) for entry in comparison["contrasts"][:3]} == {
        ("full", "clipped", "whole", "crps"),
        ("full", "clipped", "inside", "crps"),
        ("clipped", "subsample_told_window", "inside", "crps"),
    }


def test_a_planted_effect_is_found_and_a_null_is_not(comparison):
    planted = find(comparison, "clipped", told("subsample"), "inside", "crps")
    assert planted["p_holm"] <= 3 / 301  # the floor, times the size of the family
    assert planted["high"] < 0
    assert "clipped is better" in planted["verdict"]
    null = find(comparison, "full", "clipped", "inside", "crps")
    assert null["p_holm"] > 0.05
    assert "cannot be told apart" in null["verdict"]
    outside = find(comparison, "full", "clipped", "outside", "mae")
    assert outside["verdict"].startswith("Outside the clip window, all at higher ")
    assert "full is better" in outside["verdict"]


def test_the_margin_is_a_share_of_the_error_of_full_on_the_same_galaxies(comparison):
    for entry in comparison["contrasts"]:
        error = comparison["arms"]["full"][entry["subset"]][entry["metric"]]["value"]
        shared = entry["metric"] not in ("r2", "bias_mean", "bias_median", "cde_loss")
        assert entry["margin"] == (pytest.approx(0.02 * error) if shared else None)


def test_a_ratio_says_the_same_as_the_difference(comparison):
    entry = find(comparison, "full", "trees", "whole", "crps")
    of_trees = comparison["controls"]["trees"]["whole"]["crps"]["value"]
    assert entry["ratio"]["value"] == pytest.approx(1 + entry["difference"] / of_trees)
    assert entry["ratio"]["low"] < entry["ratio"]["value"] < entry["ratio"]["high"]


def test_an_arm_that_was_trained_once_is_named_in_its_verdict(comparison):
    entry = find(comparison, "full", "published_full", "whole", "crps")
    assert entry["single_seed"] == ["published_full"]
    assert entry["outcome"] == "better"
    assert "The scatter of trainings of published_full is not known." in entry["verdict"]


def test_who_is_told_the_window_is_compared_inside_it_only(comparison):
    subsets = {entry["subset"] for entry in comparison["contrasts"] if entry["b"] in TOLD}
    assert subsets == {"inside"}


def test_paired_intervals_agree_with_the_paired_t_interval():
    first, second = make_terms(600, seed=1), make_terms(600, seed=5, sigma=0.017)
    found = run({"full": ArmGalaxies(first), "clipped": ArmGalaxies(second)}, n_bootstrap=2000)
    entry = find(found, "full", "clipped", "whole", "crps")
    difference = first.crps - second.crps
    half = 1.96 * difference.std(ddof=1) / np.sqrt(600)
    assert entry["difference"] == pytest.approx(difference.mean())
    assert (entry["high"] - entry["low"]) / 2 == pytest.approx(half, rel=0.08)


def test_nothing_outside_the_window_gives_nulls():
    arms = {"full": ArmGalaxies(make_terms(40)), "clipped": ArmGalaxies(make_terms(40))}
    found = run(arms, window=(-1.0, 1.0), n_bootstrap=20)
    json.dumps(found, allow_nan=False)
    assert found["test"]["n_inside"] == 40
    assert found["arms"]["full"]["outside"]["mae"] == {"value": None, "low": None, "high": None}
    assert "too few" in find(found, "full", "clipped", "outside", "mae")["verdict"]


def test_arms_on_other_galaxies_are_refused():
    arms = {"full": ArmGalaxies(make_terms(50)), "clipped": ArmGalaxies(make_terms(49))}
    with pytest.raises(InputError, match=r"predictions/clipped: expected the test galaxies of ful"):
        run(arms)
    shuffled = select_terms(make_terms(50), np.arange(50)[::-1])
    with pytest.raises(InputError, match="same order"):
        run({"full": ArmGalaxies(make_terms(50)), "clipped": ArmGalaxies(shuffled)})
    regrouped = dataclasses.replace(make_terms(50), group_id=np.arange(50) // 2)
    with pytest.raises(InputError, match="same order"):
        run({"full": ArmGalaxies(make_terms(50)), "clipped": ArmGalaxies(regrouped)})
    with pytest.raises(InputError, match="at least one"):
        run({})


def test_the_scatter_of_trainings_widens_intervals():
    made = make_terms(300, seed=1)

    def arm(shift, scatter):
        seeds = {
            k: dataclasses.replace(made, z_phot=made.z_spec + shift + scatter * sign)
            for k, sign in enumerate((-1.0, 0.0, 1.0))
        }
        values = {k: subset_values(found, WINDOW) for k, found in seeds.items()}
        return ArmGalaxies(pool=seeds[1], seeds=values)

    widths = []
    for scatter in (0.0, 0.004):
        found = run({"full": arm(0.02, scatter), "clipped": arm(0.021, scatter)})
        entry = find(found, "full", "clipped", "inside", "mae")
        widths.append(entry["high"] - entry["low"])
    # the difference of two pools of three scatters by sqrt(2 / 3) sd; 2.776: t at 4 degrees
    assert widths[1] == pytest.approx(2 * 2.776 * np.sqrt(2 / 3) * 0.004, rel=0.25)
    assert widths[0] < widths[1] / 10
