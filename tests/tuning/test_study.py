import math
from dataclasses import replace

import pytest

from pix2z.tuning.space import Choice, Real
from pix2z.tuning.study import run_study

SPACE = {
    "learning_rate": Real(1e-4, 1e-2, log=True),
    "dropout": Real(0.0, 0.4),
    "dense_units": Choice(((64,), (128, 64))),
}
BASELINE = {"learning_rate": 3e-3, "dropout": 0.3, "dense_units": (64,), "epochs": 40}
EPOCHS = 4


class Killed(Exception):
    """Stands in for kill -9: nothing of the study sees it coming."""


def loss_of(settings) -> float:
    rate = math.log10(settings["learning_rate"] / 1e-3) ** 2
    return rate + settings["dropout"] + 0.1 * (settings["dense_units"] == (64,))


def train(settings, report) -> float:
    for epoch in range(EPOCHS):
        report(epoch, loss_of(settings) + 1 / (epoch + 1))
    return loss_of(settings) + 1 / EPOCHS


def study(journal, *, n_trials=7, seed=5, train_trial=train):
    return run_study(
        journal=journal,
        n_trials=n_trials,
        seed=seed,
        space=SPACE,
        baseline=BASELINE,
        train_trial=train_trial,
    )


def timeless(result):
    return replace(result, trials=tuple(replace(trial, seconds=0.0) for trial in result.trials))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return study(tmp_path_factory.mktemp("study") / "journal.log")


def test_the_baseline_is_the_first_trial_and_the_best_is_no_worse(uninterrupted):
    first = uninterrupted.trials[0]
    assert first.settings == {name: BASELINE[name] for name in SPACE}
    best = uninterrupted.trials[uninterrupted.best_trial]
    assert uninterrupted.best_settings == best.settings
    complete = [t.validation_loss for t in uninterrupted.trials if t.state == "complete"]
    assert best.validation_loss == min(complete) < first.validation_loss
    assert [trial.number for trial in uninterrupted.trials] == list(range(7))


def test_settings_stay_inside_the_space(uninterrupted):
    for trial in uninterrupted.trials:
        assert 1e-4 <= trial.settings["learning_rate"] <= 1e-2
        assert 0.0 <= trial.settings["dropout"] <= 0.4
        assert trial.settings["dense_units"] in SPACE["dense_units"].options


def test_a_trial_that_falls_behind_is_pruned(uninterrupted):
    pruned = [trial for trial in uninterrupted.trials if trial.state == "pruned"]
    assert pruned
    assert all(2 <= len(trial.curve) < EPOCHS for trial in pruned)
    complete = [trial for trial in uninterrupted.trials if trial.state == "complete"]
    assert all(list(trial.curve) == list(range(EPOCHS)) for trial in complete)


def test_importances_are_shares(uninterrupted):
    assert set(uninterrupted.importances) == set(SPACE)
    assert sum(uninterrupted.importances.values()) == pytest.approx(1.0)


def test_neighbouring_seeds_propose_different_trials(tmp_path, uninterrupted):
    other = study(tmp_path / "journal.log", seed=6)
    rates = {trial.settings["learning_rate"] for trial in uninterrupted.trials[1:]}
    assert len(rates) == 6
    assert rates.isdisjoint(trial.settings["learning_rate"] for trial in other.trials[1:])


@pytest.mark.parametrize("killed_at", [0, 1, 4, 6])
def test_a_killed_study_resumes_as_if_nothing_had_happened(tmp_path, uninterrupted, killed_at):
    journal, begun = tmp_path / "journal.log", []

    def dies(settings, report):
        begun.append(settings)
        if len(begun) == killed_at + 1:
            report(0, 1.0)
            raise Killed
        return train(settings, report)

    with pytest.raises(Killed):
        study(journal, train_trial=dies)
    with journal.open("ab") as file:
        file.write(b'{"op_code": 6, "worker')  # what the kill left of a line
    retried = []

    def records(settings, report):
        retried.append(settings)
        return train(settings, report)

    result = study(journal, train_trial=records)
    assert timeless(result) == timeless(uninterrupted)
    assert retried[0] == begun[-1]
    assert len(retried) == 7 - killed_at


def test_a_finished_study_trains_nothing_and_more_trials_go_on(tmp_path, uninterrupted):
    journal = tmp_path / "journal.log"
    short = study(journal, n_trials=5)
    assert timeless(short).trials == timeless(uninterrupted).trials[:5]
    trained = []

    def records(settings, report):
        trained.append(settings)
        return train(settings, report)

    assert timeless(study(journal, train_trial=records)) == timeless(uninterrupted)
    assert len(trained) == 2
    study(journal, train_trial=records)
    assert len(trained) == 2


def test_no_trials_keep_the_baseline(tmp_path):
    def never(settings, report):
        raise AssertionError

    result = study(tmp_path / "journal.log", n_trials=0, train_trial=never)
    assert result.best_settings == {name: BASELINE[name] for name in SPACE}
    assert result.trials == ()


def test_a_diverging_trial_is_no_result_and_ends_nothing(tmp_path):
    count = iter(range(100))

    def diverges(settings, report):
        if next(count) in (1, 2):
            report(0, math.nan)
        return train(settings, report)

    result = study(tmp_path / "journal.log", n_trials=5, train_trial=diverges)
    assert [trial.validation_loss for trial in result.trials[1:3]] == [None, None]
    assert result.best_trial not in (1, 2)
    assert len(result.trials) == 5


def test_all_diverging_keeps_the_baseline(tmp_path):
    result = study(
        tmp_path / "journal.log", n_trials=2, train_trial=lambda settings, report: math.inf
    )
    assert result.best_settings == {name: BASELINE[name] for name in SPACE}
    assert result.best_trial is None
