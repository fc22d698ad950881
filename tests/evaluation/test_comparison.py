import dataclasses
import json

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, select_terms
from pix2z.evaluation.arm_metrics import subset_values
from pix2z.evaluation.comparison import compare
from pix2z.evaluation.metric_names import METRICS
from tests.evaluation.conftest import WINDOW, make_terms


def run(arms, controls=None, *, window=WINDOW, n_bootstrap=300, seed=1):
    return compare(
        arms,
        controls or {},
        clip_window=window,
        test_digest="abc",
        published_view={"full": None, "clipped": None, "note": ""},
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
        "subsample": ArmGalaxies(make_terms(600, seed=3, sigma=0.03)),
    }
    return run(arms, {"trees": ArmGalaxies(make_terms(600, seed=4, sigma=0.0152))})


def find(comparison, a, b, subset, metric):
    key = {"a": a, "b": b, "subset": subset, "metric": metric}
    (entry,) = (entry for entry in comparison["contrasts"] if key.items() <= entry.items())
    return entry


def test_the_layout_is_the_agreed_one(comparison):
    assert list(comparison) == ["test", "arms", "controls", "contrasts", "published_view"]
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
    required = {"a", "b", "subset", "metric", "difference", "low", "high", "primary", "verdict"}
    for entry in comparison["contrasts"]:
        assert set(entry) == required | ({"p_holm"} if entry["primary"] else set())
    json.dumps(comparison, allow_nan=False)


def test_primary_contrasts_come_first_and_are_exactly_four(comparison):
    flags = [entry["primary"] for entry in comparison["contrasts"]]
    assert flags[:4] == [True] * 4
    assert not any(flags[4:])
    assert {(entry["a"], entry["b"], entry["metric"]) for entry in comparison["contrasts"][:4]} == {
        ("full", "clipped", "crps"),
        ("full", "clipped", "mae"),
        ("clipped", "subsample", "crps"),
        ("clipped", "subsample", "mae"),
    }


def test_a_planted_effect_is_found_and_a_null_is_not(comparison):
    planted = find(comparison, "clipped", "subsample", "inside", "crps")
    assert planted["p_holm"] <= 4 / 301  # the floor, times the size of the family
    assert planted["high"] < 0
    assert "clipped is better" in planted["verdict"]
    null = find(comparison, "full", "clipped", "inside", "mae")
    assert null["p_holm"] > 0.05
    assert "no significant difference" in null["verdict"]
    outside = find(comparison, "full", "clipped", "outside", "mae")
    assert outside["verdict"].startswith("Outside the clip window, all at higher ")
    assert "full is better" in outside["verdict"]


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
