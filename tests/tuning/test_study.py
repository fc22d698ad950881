import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from pix2z.tuning.space import encoded
from pix2z.tuning.study import run_study
from tests.tuning.worker import EPOCHS, trained

SPACE = {
    "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    "dropout": FloatDistribution(0.0, 0.4),
    "dense_units": CategoricalDistribution(("64", "128-64")),
}
BASELINE = {"learning_rate": 3e-3, "dropout": 0.3, "dense_units": (64,), "epochs": 40}
N, BATCH = 11, 4


class Killed(Exception):
    """Stands in for kill -9: nothing of the study sees it coming."""


def loss_of(settings) -> float:
    rate = math.log10(settings["learning_rate"] / 1e-3) ** 2
    return rate + settings["dropout"] + 0.1 * (settings["dense_units"] == (64,))


def train(wanted):
    for one in wanted:
        yield trained(one, loss_of(one.settings))


def study(journal, *, n_trials=N, batch=BATCH, seed=5, train_trials=train):
    return run_study(
        journal=journal,
        n_trials=n_trials,
        batch=batch,
        seed=seed,
        space=SPACE,
        baseline=BASELINE,
        train_trials=train_trials,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return study(tmp_path_factory.mktemp("study") / "journal.json")


def test_the_baseline_is_the_first_trial_and_the_best_is_no_worse(uninterrupted):
    first = uninterrupted.trials[0]
    assert first.settings == {name: BASELINE[name] for name in SPACE}
    best = uninterrupted.trials[uninterrupted.best_trial]
    assert uninterrupted.best_settings == best.settings
    complete = [t.validation_loss for t in uninterrupted.trials if t.state == "complete"]
    assert best.validation_loss == min(complete) < first.validation_loss
    assert [trial.number for trial in uninterrupted.trials] == list(range(N))
    assert set(uninterrupted.importances) == set(SPACE)
    assert sum(uninterrupted.importances.values()) == pytest.approx(1.0)
    for trial in uninterrupted.trials:
        assert 1e-4 <= trial.settings["learning_rate"] <= 1e-2
        assert 0.0 <= trial.settings["dropout"] <= 0.4
        assert encoded(trial.settings)["dense_units"] in SPACE["dense_units"].choices


def test_the_same_seed_proposes_what_it_always_did(uninterrupted):
    """As Optuna 5.0 proposed when every study was still kept in Optuna's own storage."""
    rates = [trial.settings["learning_rate"] for trial in uninterrupted.trials]
    assert rates[:5] == pytest.approx(
        [0.003, 0.00016125031142, 0.00288294279104, 0.00140746186789, 0.00107481742799], rel=1e-9
    )
    assert uninterrupted.importances["dropout"] == pytest.approx(0.2256918597394973, rel=1e-9)


def test_a_trial_is_given_up_against_finished_batches_alone(uninterrupted):
    pruned = [trial for trial in uninterrupted.trials if trial.state == "pruned"]
    assert pruned
    assert all(2 <= len(trial.curve) < EPOCHS for trial in pruned)
    assert min(trial.number for trial in pruned) >= BATCH
    complete = [trial for trial in uninterrupted.trials if trial.state == "complete"]
    assert all(list(trial.curve) == list(range(EPOCHS)) for trial in complete)


def test_a_batch_is_asked_for_at_once_from_the_batches_before_it(tmp_path):
    asked = []

    def records(wanted):
        asked.append(wanted)
        return train(wanted)

    study(tmp_path / "journal.json", train_trials=records)
    assert [len(batch) for batch in asked] == [4, 4, 3]
    assert [bool(batch[0].limits) for batch in asked] == [False, True, True]
    assert all(one.limits == batch[0].limits for batch in asked for one in batch)
    losses = [loss_of(one.settings) + 1 / EPOCHS for one in asked[0]]
    assert asked[1][0].limits[EPOCHS - 1] == pytest.approx(np.median(losses))


def test_neighbouring_seeds_propose_different_trials(tmp_path, uninterrupted):
    other = study(tmp_path / "journal.json", seed=6)
    rates = {trial.settings["learning_rate"] for trial in uninterrupted.trials[1:]}
    assert len(rates) == N - 1
    assert rates.isdisjoint(trial.settings["learning_rate"] for trial in other.trials[1:])


@pytest.fixture
def recorded():
    """Train as ever, and keep what was asked for."""
    asked = []

    def records(wanted):
        asked.extend(wanted)
        return train(wanted)

    records.asked = asked
    return records


@pytest.mark.parametrize("killed_at", [0, 1, 5, 10])
def test_a_killed_study_resumes_as_if_nothing_had_happened(
    tmp_path, uninterrupted, killed_at, recorded
):
    journal, begun = tmp_path / "journal.json", []

    def dies(wanted):
        for one in wanted:
            if len(begun) == killed_at:
                raise Killed
            begun.append(one)
            yield from train([one])

    with pytest.raises(Killed):
        study(journal, train_trials=dies)
    assert study(journal, train_trials=recorded) == uninterrupted
    assert len(recorded.asked) == N - killed_at


def test_a_finished_study_trains_nothing_and_more_trials_go_on(tmp_path, uninterrupted, recorded):
    journal = tmp_path / "journal.json"
    assert study(journal, n_trials=6).trials == uninterrupted.trials[:6]
    for _ in range(2):
        assert study(journal, train_trials=recorded) == uninterrupted
        assert len(recorded.asked) == N - 6


def test_no_trials_keep_the_baseline(tmp_path):
    result = study(tmp_path / "journal.json", n_trials=0, train_trials=None)
    assert result.best_settings == {name: BASELINE[name] for name in SPACE}
    assert result.trials == ()


@pytest.mark.parametrize("diverging", [(1, 2), (0, 1, 2, 3)])
def test_a_diverging_trial_is_no_result_and_ends_nothing(tmp_path, diverging):
    def diverges(wanted):
        for number, one in enumerate(wanted):
            yield one.ended({}, None, 0.0) if number in diverging else next(train([one]))

    result = study(tmp_path / "journal.json", n_trials=4, train_trials=diverges)
    assert [t.number for t in result.trials if t.validation_loss is None] == list(diverging)
    assert result.best_trial not in diverging
    if len(diverging) == 4:
        assert result.best_settings == {name: BASELINE[name] for name in SPACE}
