"""A study in a database, with several workers; tests/services runs the same on PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from pix2z.errors import InputError, Pix2zError
from pix2z.tuning.shared import open_storage, run_shared_study
from tests.tuning.worker import BASELINE, EPOCHS, SPACE, train

WORKER = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).parents[2]


def study(url, *, n_trials=6, name="study", seed=5, train_trials=train, on_trial=None):
    storage = open_storage(url)
    try:
        return run_shared_study(
            storage=storage,
            name=name,
            n_trials=n_trials,
            seed=seed,
            space=SPACE,
            baseline=BASELINE,
            train_trials=train_trials,
            on_trial=on_trial,
        )
    finally:
        storage.engine.dispose()


def start(url, trained: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, str(WORKER), url, str(trained), *options]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def beaten(url) -> int:
    """How many workers have given a sign of life."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        return connection.scalar(sqlalchemy.text("SELECT COUNT(*) FROM trial_heartbeats"))


def settings_in(trained: Path) -> list[dict]:
    lines = trained.read_text().splitlines() if trained.exists() else []
    return [json.loads(line) for line in lines]


def test_one_worker_begins_with_the_baseline_and_finds_something_better(url):
    seen = []
    result = study(
        url, on_trial=lambda trial, so_far: seen.append((trial.number, len(so_far.trials)))
    )
    assert seen == [(k, k + 1) for k in range(6)]
    assert [trial.number for trial in result.trials] == list(range(6))
    assert result.trials[0].settings == {name: BASELINE[name] for name in SPACE}
    best = result.trials[result.best_trial]
    assert best.settings == result.best_settings
    assert best.validation_loss < result.trials[0].validation_loss
    assert sum(result.importances.values()) == pytest.approx(1.0)


def test_a_worker_alone_makes_the_same_study_again_with_the_same_seed_only(tmp_path):
    first, again, other = (
        study(f"sqlite:///{tmp_path}/{place}.db", seed=seed)
        for place, seed in (("first", 5), ("again", 5), ("other", 6))
    )
    assert again == first
    shares = [
        share
        for one in (first, other)
        for trial in one.trials[1:]
        for share in (trial.settings["dropout"] / 0.4, trial.settings["weight"])
    ]
    assert len(set(shares)) == 2 * 2 * 5  # every setting of every trial is another


def test_more_trials_go_on_with_the_study_and_others_are_apart(url):
    study(url, n_trials=3)
    trained = []

    def records(wanted):
        trained.extend(wanted)
        return train(wanted)

    assert len(study(url, n_trials=5, train_trials=records).trials) == 5
    assert len(trained) == 2
    study(url, n_trials=5, train_trials=records)
    assert len(trained) == 2
    assert len(study(url, n_trials=1, name="another", train_trials=records).trials) == 1
    assert len(trained) == 3


def test_three_workers_share_a_study_in_a_fresh_database(url, tmp_path):
    trained = tmp_path / "trained"
    workers = [start(url, trained, "--trials", "12") for _ in range(3)]
    said = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], said
    tried = settings_in(trained)
    result = study(url, n_trials=12)
    assert 12 <= len(result.trials) == len(tried) <= 14  # what others had begun is finished
    distinct = {json.dumps(settings, sort_keys=True) for settings in tried}
    # Two may enqueue the baseline at the same moment.
    assert len(distinct) >= len(tried) - 2
    assert result.best_trial is not None


def test_what_a_killed_worker_had_begun_is_trained_by_another(url, tmp_path):
    trained = tmp_path / "trained"
    worker = start(url, trained, "--trials", "3", "--hang", "--heartbeat", "1")
    end = time.monotonic() + 120
    while not (settings_in(trained) and beaten(url)):  # else it could not be missed
        assert worker.poll() is None, worker.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    (begun,) = settings_in(trained)
    time.sleep(5)  # four heartbeats and a bit: it is given up
    again = tmp_path / "again"
    other = start(url, again, "--trials", "3", "--heartbeat", "1")
    said = other.communicate()[1]
    assert other.returncode == 0, said
    assert begun in settings_in(again)
    result = study(url, n_trials=3)
    numbers = [trial.number for trial in result.trials]
    assert numbers[0] == 0  # it keeps its number, whichever the one that took it over has
    assert len(set(numbers)) == 3
    assert json.loads(json.dumps(result.trials[0].settings)) == begun


def test_a_trial_that_diverges_or_falls_behind_is_pruned(url):
    begun = count()

    def diverges(wanted):
        return [wanted[0].ended({}, None, 0.0)] if next(begun) == 1 else train(wanted)

    result = study(url, n_trials=8, train_trials=diverges)
    assert result.trials[1].state == "pruned"
    assert result.best_trial != 1
    assert all(len(t.curve) == EPOCHS for t in result.trials if t.state == "complete")


def test_an_error_of_a_training_ends_the_worker_and_not_the_study(url):
    def fails(wanted):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        study(url, train_trials=fails)
    assert len(study(url, n_trials=2).trials) == 2


@pytest.mark.parametrize(
    "wrong", ["studies.db", "nosuch://user:secret@host/studies", "postgresql+none://u:secret@h/s"]
)
def test_what_is_no_database_is_one_line_without_its_password(wrong):
    with pytest.raises(InputError, match="expected the URL of a database") as caught:
        open_storage(wrong)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_database_out_of_reach_is_one_line(tmp_path):
    with pytest.raises(Pix2zError, match="cannot be used") as caught:
        open_storage(f"sqlite:///{tmp_path}/nowhere/studies.db")
    assert "\n" not in str(caught.value)


def test_the_database_of_mlflow_is_refused(url):
    import sqlalchemy

    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE registered_models (name TEXT)"))
    with pytest.raises(InputError, match="holds MLflow's store"):
        open_storage(url)
