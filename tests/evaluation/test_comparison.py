import dataclasses
import json

import numpy as np
import pytest

from pix2z.evaluation.arm_galaxies import ArmGalaxies
from pix2z.evaluation.arm_metrics import measure_subsets, subset_values
from pix2z.evaluation.comparison import compare
from pix2z.evaluation.contrasts import TOLD, told
from pix2z.evaluation.metric_names import METRICS
from pix2z.evaluation.report import answer
from tests.evaluation.conftest import WINDOW, make_terms


def networks(*trained, pool=None, **cost):
    """Make an arm of trained networks, whose pool is the first of them or `pool`."""
    return ArmGalaxies(
        trained[0] if pool is None else pool,
        {seed: subset_values(terms, WINDOW) for seed, terms in enumerate(trained, 1)},
        {
            "crps": np.mean([terms.crps for terms in trained], axis=0),
            "mae": np.mean([np.abs(terms.z_phot - terms.z_spec) for terms in trained], axis=0),
        },
        **cost,
    )


def trained(n=600, *, seed, **kwargs):
    """Make an arm of three networks that differ by chance."""
    made = [make_terms(n, seed=10 * seed + k, **kwargs) for k in range(3)]
    return networks(*made, pool=make_terms(n, seed=seed, **kwargs))


def run(arms, controls=None, *, window=WINDOW, n_bootstrap=300, seed=1, margin=0.02):
    pools = {name: arm.pool for name, arm in (arms | (controls or {})).items()}
    measured = measure_subsets(pools, window, n_bootstrap=n_bootstrap, seed=seed)
    return compare(
        arms,
        controls or {},
        measured,
        clip_window=window,
        test_digest="abc",
        published_view={"full": None, "clipped": None, "note": ""},
        margin=margin,
    )


@pytest.fixture(scope="module")
def comparison():
    arms = {
        "full": networks(
            *(make_terms(600, seed=10 + k) for k in (1, 2)),
            pool=make_terms(600, seed=1),
            n_train=5000,
            cpu_seconds=60.5,
        ),
        "clipped": trained(seed=2, clip=0.22),
        "catalogue": trained(seed=6, sigma=0.03),
        "published_full": networks(make_terms(600, seed=5, sigma=0.03)),
    }
    controls = {
        "trees": ArmGalaxies(make_terms(600, seed=4, sigma=0.0152)),
        "knn": ArmGalaxies(make_terms(600, seed=7, sigma=0.0152)),
        told("subsample"): trained(seed=3, sigma=0.03),
    }
    return run(arms, controls)


TWO = {"full": 0.004, "clipped": 0.03}
"""Two arms that differ so much that few galaxies show it, and their sigma."""


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
    required |= {"primary", "family", "outcome", "verdict", "value_a", "value_b", "judged_by"}
    for entry in comparison["contrasts"]:
        extra = {"p_holm"} if entry["primary"] else set()
        extra |= {"ratio"} if entry["metric"] == "crps" else set()
        assert set(entry) == required | extra
    json.dumps(comparison, allow_nan=False)


def test_primary_contrasts_come_first_family_by_family(comparison):
    keys = ("a", "b", "subset", "metric", "family")
    first = [tuple(entry[key] for key in keys) for entry in comparison["contrasts"][:4]]
    assert first == [
        ("full", "clipped", "whole", "crps", "clipping"),
        ("full", "clipped", "inside", "crps", "clipping"),
        ("clipped", "subsample_told_window", "inside", "crps", "clipping"),
        ("full", "catalogue", "whole", "crps", "pixels"),
    ]
    assert all(entry["primary"] for entry in comparison["contrasts"][:4])
    assert not any(entry["primary"] or entry["family"] for entry in comparison["contrasts"][4:])


def test_each_family_has_a_correction_of_its_own():
    """With `catalogue` left out, the p of clipping stay as they are."""
    arms = {"full": trained(200, seed=1), "clipped": trained(200, seed=2, clip=0.22)}
    clipping, both = (
        run(of)["contrasts"] for of in (arms, arms | {"catalogue": trained(200, seed=6)})
    )
    assert [entry["p_holm"] for entry in both[:2]] == [entry["p_holm"] for entry in clipping[:2]]
    assert both[2]["family"] == "pixels"


def test_a_planted_effect_is_found_and_a_null_is_not(comparison):
    planted = find(comparison, "clipped", told("subsample"), "inside", "crps")
    assert planted["p_holm"] < 1e-3
    assert planted["high"] < 0
    assert "clipped is better" in planted["verdict"]
    null = find(comparison, "full", "clipped", "inside", "crps")
    assert null["p_holm"] > 0.05
    assert "cannot be told apart" in null["verdict"]


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
    assert find(comparison, "full", "trees", "whole", "crps")["single_seed"] == ["trees"]
    assert find(comparison, "full", "knn", "whole", "crps")["single_seed"] == []  # deterministic


def test_who_is_told_the_window_is_compared_inside_it_only(comparison):
    subsets = {entry["subset"] for entry in comparison["contrasts"] if entry["b"] in TOLD}
    assert subsets == {"inside"}


def test_contrasts_do_not_depend_on_the_seed_of_the_resamples():
    """The end of the interval lies at the margin: drawn intervals would be on either side of it."""
    arms = {"full": trained(200, seed=1), "clipped": trained(200, seed=2, clip=0.22)}
    first = find(run(arms, n_bootstrap=20), "full", "clipped", "inside", "crps")
    error = first["margin"] / 0.02
    margin = 1.0001 * max(first["high"], -first["low"]) / error
    for seed in range(20):
        found = run(arms, n_bootstrap=20, seed=seed, margin=margin)
        entry = find(found, "full", "clipped", "inside", "crps")
        assert (entry["low"], entry["high"]) == (first["low"], first["high"])
        assert entry["outcome"] == "equivalent"


def test_the_subsample_is_judged_by_its_single_networks():
    """Its pool, of draws that together hold all galaxies, is as good as can be; none of them is."""
    perfect = make_terms(400, seed=1, sigma=0.004)
    subsample = networks(*(make_terms(400, seed=k, sigma=0.02) for k in (3, 4)), pool=perfect)
    arms = {"full": trained(400, seed=2), "clipped": trained(400, seed=5)}
    found = run(arms | {"subsample": subsample})
    entry = find(found, "full", "subsample", "whole", "crps")
    assert (entry["judged_by"], entry["outcome"]) == ("networks", "better")
    by_seed = [of_seed["whole"]["crps"] for of_seed in subsample.seeds.values()]
    assert entry["value_b"] == pytest.approx(np.mean(by_seed))
    assert find(found, "full", "clipped", "whole", "crps")["judged_by"] == "pools"
    metrics = {e["metric"] for e in found["contrasts"] if e["b"] == "subsample"}
    assert metrics == {"crps", "mae"}


def test_nothing_outside_the_window_gives_nulls():
    arms = {"full": ArmGalaxies(make_terms(40)), "clipped": ArmGalaxies(make_terms(40))}
    found = run(arms, window=(-1.0, 1.0), n_bootstrap=20)
    json.dumps(found, allow_nan=False)
    assert found["test"]["n_inside"] == 40
    assert found["arms"]["full"]["outside"]["mae"] == {"value": None, "low": None, "high": None}
    assert "too few" in find(found, "full", "clipped", "outside", "mae")["verdict"]


@pytest.mark.parametrize("n_outside", [1, 3, 29, 30])
def test_few_galaxies_outside_the_window_say_nothing(n_outside):
    arms = {name: trained(80, seed=5, sigma=sigma) for name, sigma in TWO.items()}
    highest = float(np.sort(arms["full"].pool.z_spec)[-n_outside - 1])
    found = run(arms, window=(0.0, highest), n_bootstrap=20)
    entry = find(found, "full", "clipped", "outside", "crps")
    few = n_outside < 30
    assert found["test"]["n"] - found["test"]["n_inside"] == n_outside
    assert (entry["outcome"] is None) == ("too few galaxies" in entry["verdict"]) == few
    assert ("full is better" in entry["verdict"]) != few
    assert entry["verdict"].startswith("Outside the clip window, all at higher redshift")
    assert answer(found).startswith("This run is a demonstration")
    first = answer(found | {"test": found["test"] | {"n": 2000}}).split(".")[0]
    assert ("outside" in first) != few


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
