import numpy as np
import pytest

from pix2z.dataset.splits import Split
from pix2z.evaluation import bootstrap
from pix2z.evaluation.bootstrap import Resamples
from pix2z.study.intervals import seeds_interval
from pix2z.study.learning_curve import learning_curves, power_law, subset_of_groups

GROUPS = np.repeat(np.arange(60), [1, 2, 3] * 20)
NONE = np.empty(0, np.int64)


@pytest.fixture
def split():
    return Split("full", np.arange(100), NONE, NONE, np.arange(100, 120), (0.0, 0.3), "")


def test_whole_groups_are_drawn_by_each_seed_and_repeated_to_the_length_of_all(split):
    drawn = [subset_of_groups(split, GROUPS, n_groups=10, seed=seed) for seed in (1, 2)]
    for part in drawn:
        groups, rows = np.unique(GROUPS[part.train]), np.unique(part.train)
        assert len(groups) == 10
        np.testing.assert_array_equal(rows, np.flatnonzero(np.isin(GROUPS[:100], groups)))
        counts = np.unique(part.train, return_counts=True)[1]
        assert len(set(counts.tolist())) == 1
        assert abs(len(part.train) - 100) <= len(rows) / 2
        assert part.test is split.test
    assert not np.array_equal(drawn[0].train, drawn[1].train)


def test_all_groups_are_the_split_itself(split):
    assert subset_of_groups(split, GROUPS, n_groups=None, seed=1) is split


def test_a_power_law_is_found_and_one_that_levels_off_is_not_called_one():
    rng = np.random.default_rng(3)
    n = np.repeat([500, 1000, 2000, 4000, 8000], 3)
    noise = np.exp(rng.normal(0, 0.01, len(n)))
    law = power_law(n, 0.02 * (n / 1000) ** -0.25 * noise)
    assert law["p_lack_of_fit"] > 0.05
    assert law["exponent"]["low"] < 0.25 < law["exponent"]["high"]
    assert law["at_1000"] == pytest.approx(0.02, rel=0.02)
    levelled = power_law(n, (0.01 + 0.01 * (n / 500) ** -1.0) * noise)
    assert levelled["p_lack_of_fit"] < 0.01


@pytest.mark.parametrize("n", [[500, 1000, 2000], [500, 500, 1000, 1000], [500, 500], [500]])
def test_two_sizes_or_one_training_at_each_tell_nothing_of_the_fit(n):
    law = power_law(np.array(n), np.linspace(3.0, 1.0, len(n)))
    assert law == {"p_lack_of_fit": None}


def test_one_of_several_curves_is_excluded_only_after_a_correction_for_their_number():
    """Of one curve with p = 0.04 a power law is excluded; beside two that hold one, it is not."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.01, (5, 3))

    def points(bend):
        bends = np.array([bend, 0, -bend, 0, bend])[:, None]
        logs = np.log(0.02) - 0.25 * np.log([[500], [1000], [2000], [4000], [8000]])
        crps = np.exp(logs + bends + noise)
        return {
            n: np.repeat(of[:, None], 30, axis=1)
            for n, of in zip((500, 1000, 2000, 4000, 8000), crps, strict=True)
        }

    resamples = Resamples(np.arange(30), 20, 1)
    bent = points(0.013)
    alone = learning_curves({"full": bent}, resamples)["full"]["power_law"]
    assert not alone["fits"]
    beside = {"full": bent, "apertures": points(0.0), "published_full": points(0.0)}
    curves = learning_curves(beside, resamples)
    law = curves["full"]["power_law"]
    assert law["fits"]
    assert law["p_holm"] > 0.05 > law["p_lack_of_fit"]
    assert law["p_holm"] == pytest.approx(3 * law["p_lack_of_fit"])
    change = curves["full"]["change_from"][4000]
    assert change["value"] == pytest.approx((bent[8000] - bent[4000]).mean())


def test_resamples_are_held_block_by_block_and_the_same_each_time(monkeypatch):
    monkeypatch.setattr(bootstrap, "BLOCK_ELEMENTS", 250)
    resamples = Resamples(np.arange(100), 15, 1)
    sizes = []

    def counted(weights):
        sizes.append(weights.size)
        return weights @ np.arange(100.0)

    drawn = resamples.replicates(counted)
    assert drawn.shape == (15,)
    assert max(sizes) <= 250
    np.testing.assert_array_equal(drawn, resamples.replicates(counted))


def test_an_interval_of_some_galaxies_is_of_them_alone():
    per_seed = np.random.default_rng(2).normal(0, 1, (2, 300))
    inside = np.arange(300) % 3 == 0
    entry = seeds_interval(per_seed, Resamples(np.arange(300), 200, 1), inside=inside)
    assert entry["value"] == pytest.approx(per_seed[:, inside].mean())
    other = np.where(inside, per_seed, 99.0)
    assert seeds_interval(other, Resamples(np.arange(300), 200, 1), inside=inside) == entry


def test_an_interval_holds_the_chance_of_seeds_and_of_galaxies():
    """Of 300 repetitions with 3 seeds, about 95 % hold the truth; without seeds far fewer."""
    rng = np.random.default_rng(8)
    resamples = Resamples(np.arange(200), 200, 1)
    held = galaxies_only = 0
    for _ in range(300):
        per_seed = 1 + rng.normal(0, 0.1, (3, 1)) + rng.normal(0, 1, 200)
        entry = seeds_interval(per_seed, resamples)
        held += entry["low"] < 1 < entry["high"]
        alone = seeds_interval(per_seed.mean(axis=0, keepdims=True), resamples)
        galaxies_only += alone["low"] < 1 < alone["high"]
        assert alone["seed_sd"] is None
    assert 0.92 * 300 < held <= 300
    assert galaxies_only < held
