import logging
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from mlflow.exceptions import MlflowException

from pix2z.tracking.live import curve_in_store
from pix2z.tracking.records import SPECTRA
from pix2z.tracking.register import register
from pix2z.tracking.store import Store

live_curve = partial(curve_in_store, stage="train")


def training_runs(client):
    experiment = client.get_experiment_by_name("pix2z-train")
    found = client.search_runs([experiment.experiment_id])
    return [run for run in found if run.data.tags["kind"] == "training"]


def points(client, run, name="curves/val_loss"):
    return sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))


def epochs(first: int, last: int):
    return [(e, {"loss": 2.0 - e, "val_loss": 2.5 - e, "seconds": 1.0}) for e in range(first, last)]


def show(curve, some) -> None:
    for epoch, logs in some:
        curve(epoch, logs)


def test_losses_appear_as_they_come_and_a_resumed_training_goes_on_with_its_run(root, client):
    curve = live_curve(1, arm="full", training_key="inputs")
    for count, (epoch, logs) in enumerate(epochs(0, 3), start=1):
        curve(epoch, logs)
        (run,) = training_runs(client)
        assert len(points(client, run)) == count
    assert points(client, run, "curves/train_loss") == [(0, 2.0), (1, 1.0), (2, 0.0)]
    assert (run.info.status, run.data.tags["live"]) == ("RUNNING", "true")
    show(live_curve(1, arm="full", training_key="inputs"), epochs(2, 5))
    (run,) = training_runs(client)
    assert [step for step, _ in points(client, run)] == [0, 1, 2, 3, 4]


def test_register_adopts_the_run_and_fills_its_gaps(root, arms, client):
    show(live_curve(1, arm="full", training_key="inputs"), epochs(0, 2))
    (live,) = training_runs(client)
    register(root, arms)
    runs = {run.info.run_name: run for run in training_runs(client)}
    adopted = runs["full, seed 1"]
    assert len(runs) == 3
    assert adopted.info.run_id == live.info.run_id
    assert (adopted.info.status, adopted.data.tags["live"]) == ("FINISHED", "adopted")
    assert "settings.learning_rate" in adopted.data.params
    shown = points(client, adopted)
    assert [step for step, _ in shown] == [0, 1, 2, 3, 4]
    assert shown[:2] == [(0, 2.5), (1, 1.5)]

    show(live_curve(1, arm="full", training_key="inputs"), epochs(0, 9))  # there is no more to show
    assert len(training_runs(client)) == 3
    assert points(client, adopted) == shown


KILLED = """
import os, signal
from pix2z.tracking.live import curve_in_store
show = curve_in_store(1, arm="full", training_key="inputs of a killed training", stage="train")
show(0, {"val_loss": 2.0})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_training_ends_as_killed_with_the_next_and_runs_again_when_taken_up(root, client):
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == -signal.SIGKILL
    (killed,) = training_runs(client)
    for seed, arm in ((2, "full"), (1, "clipped")):
        live_curve(seed, arm=arm, training_key="others say nothing of it")
    assert client.get_run(killed.info.run_id).info.status == "RUNNING"
    live_curve(1, arm="full", training_key="inputs")
    assert client.get_run(killed.info.run_id).info.status == "KILLED"
    assert [run.info.status for run in training_runs(client)].count("RUNNING") == 3
    live_curve(1, arm="full", training_key="inputs of a killed training")
    assert client.get_run(killed.info.run_id).info.status == "RUNNING"


def test_a_registration_ends_a_killed_training_as_killed_and_leaves_others(root, arms, client):
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == -signal.SIGKILL
    (killed,) = training_runs(client)
    live_curve(1, arm="clipped", training_key="under way")
    register(root, arms)
    assert client.get_run(killed.info.run_id).info.status == "KILLED"
    assert [run.info.status for run in training_runs(client)].count("RUNNING") == 1


def test_a_live_run_says_which_commit_made_it_and_keeps_that(root, arms, client, monkeypatch):
    made_by = {"git_commit": "a" * 40, "git_dirty": "false"}
    monkeypatch.setattr("pix2z.tracking.live.code_tags", lambda _: made_by)
    live_curve(1, arm="full", training_key="inputs")
    register(root, arms)
    (adopted,) = (run for run in training_runs(client) if run.data.tags.get("live") == "adopted")
    assert made_by.items() <= adopted.data.tags.items()


def test_a_live_run_elsewhere_that_was_overtaken_is_marked_as_killed(root, arms, client):
    """Nobody knows here whether a process on another machine lives."""
    for seed, later in ((1, 100.0), (2, -100.0)):
        live_curve(seed, arm="full", training_key="inputs of a killed training")
        history = root / f"models/full/seed-{seed}/history.json"
        os.utime(history, (time.time() + later,) * 2)
    for run in training_runs(client):
        client.set_tag(run.info.run_id, "host", "elsewhere")
    live_curve(1, arm="full", training_key="spectra", stage="train_spectrum")
    register(root, arms)
    (of_spectra,) = client.search_runs([client.get_experiment_by_name(SPECTRA).experiment_id])
    assert of_spectra.info.status == "RUNNING"  # another experiment has an arm of that name too
    overtaken, later = (
        run.info.status
        for seed in "12"
        for run in training_runs(client)
        if run.data.tags.get("live") == "true" and run.data.tags["seed"] == seed
    )
    assert (overtaken, later) == ("KILLED", "RUNNING")


def test_a_store_out_of_reach_costs_one_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    show(live_curve(1, arm="full", training_key="inputs"), epochs(0, 3))
    assert [r.levelno for r in caplog.records if r.name == "pix2z.tracking.live"] == [
        logging.WARNING
    ]


@pytest.mark.parametrize(
    ("failure", "survives"), [(MlflowException("locked"), True), (ZeroDivisionError(), False)]
)
def test_a_failure_on_the_way_ends_the_curve_but_not_the_training(
    root, client, monkeypatch, caplog, failure, survives
):
    """Failures of tracking alone: a defect of ours is not hidden."""
    curve = live_curve(1, arm="full", training_key="inputs")
    curve(*epochs(0, 1)[0])

    def fail(*_args, **_kwargs):
        raise failure

    monkeypatch.setattr(f"mlflow.{Store.__annotations__['client'].__name__}.log_batch", fail)
    if survives:
        show(curve, epochs(1, 4))
        assert caplog.text.count("live curves in MLflow end") == 1
    else:
        with pytest.raises(ZeroDivisionError):
            show(curve, epochs(1, 4))
