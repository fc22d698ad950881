"""Curves of a training in MLflow while it runs; `register` adopts the run afterwards.

A run is live while its training is under way. It names the machine and process that show it, so
that whoever trains or registers next can end the runs of processes that were killed.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping

from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException

from pix2z.errors import Pix2zError
from pix2z.files import is_alive
from pix2z.tracking.checkout import models_home
from pix2z.tracking.commits import code_tags
from pix2z.tracking.records import SPECTRA, TRAININGS, RunRecord
from pix2z.tracking.runs import KEY_TAG, LIVE_TAG, TRAINING_TAG, source_tags
from pix2z.tracking.store import Store, open_store
from pix2z.tracking.trainings import CURVES, run_name, training_tag

__all__ = ["curve_in_store", "end_abandoned"]

LOG = logging.getLogger(__name__)

_HOST_TAG, _PID_TAG = "host", "pid"

OnEpoch = Callable[[int, Mapping[str, float]], None]

# A training is worth more than its live curve: these end the curve, never the training.
_FAILURES = (MlflowException, Pix2zError, OSError)


def curve_in_store(seed: int, *, arm: str, training_key: str, stage: str) -> OnEpoch:
    """Return ``on_epoch(epoch, logs)``, which shows losses in MLflow as they come.

    The same `training_key` goes on with the same run: a resumed training does not make another, and
    epochs shown already are not shown twice. Where the training is registered already, or the
    store cannot be reached (one warning), nothing is shown.

    Parameters
    ----------
    arm : name of the pool that the training is for.
    training_key : digest of all that the training starts from; estimator.json records it too.
    stage : what trains, as `runs.source_tags` knows it; it tells in which experiment the run is.
    """
    name = run_name(arm, seed)
    tags = {
        "stage": stage,
        "arm": arm,
        "seed": str(seed),
        TRAINING_TAG: training_tag(arm, seed, training_key),
    }
    try:
        store = open_store()
        experiment_id = store.experiments[SPECTRA if stage == "train_spectrum" else TRAININGS]
        _end_former(store, experiment_id, tags)
        run = _live_run(store, experiment_id, name, tags)
        if KEY_TAG in run.data.tags:
            LOG.info("%s: already registered, no live curves", name)
            return _ignore
        points = store.client.get_metric_history(run.info.run_id, CURVES["val_loss"])
    except _FAILURES as error:
        LOG.warning("no live curves of %s in MLflow: %s", name, error)
        return _ignore
    return _showing(store, run.info.run_id, {point.step for point in points})


def _ignore(epoch: int, logs: Mapping[str, float]) -> None:
    """Show nothing."""


def _showing(store: Store, run_id: str, shown: set[int]) -> OnEpoch:
    """Return what logs the losses of each epoch once, and after the first failure nothing."""
    failed = False

    def on_epoch(epoch: int, logs: Mapping[str, float]) -> None:
        nonlocal failed
        if failed or epoch in shown:
            return
        shown.add(epoch)
        now = int(time.time() * 1000)
        losses = [
            Metric(CURVES[name], float(value), now, epoch)
            for name, value in logs.items()
            if name in CURVES
        ]
        try:
            store.client.log_batch(run_id, metrics=losses)
        except _FAILURES as error:
            failed = True
            LOG.warning("live curves in MLflow end at epoch %d: %s", epoch, error)

    return on_epoch


def _live_run(store: Store, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run:
    """Return the run of a training: the one that shows it already, else a new one.

    Unless that is registered, it is of this process from now on.
    """
    process = {_HOST_TAG: socket.gethostname(), _PID_TAG: str(os.getpid())}
    same = f"tags.{TRAINING_TAG} = '{tags[TRAINING_TAG]}'"
    for run in store.client.search_runs([experiment_id], same, max_results=1):
        if KEY_TAG not in run.data.tags:
            for key, value in process.items():
                store.client.set_tag(run.info.run_id, key, value)
            store.client.update_run(run.info.run_id, status="RUNNING")
        return run
    note = "Training under way; metrics and figures follow at its end."
    return store.client.create_run(
        experiment_id,
        run_name=name,
        tags={
            **tags,
            **code_tags(models_home()),
            "kind": "training",
            **source_tags(tags["stage"]),
            LIVE_TAG: "true",
            **process,
            "mlflow.note.content": note,
        },
    )


def _end_former(store: Store, experiment_id: str, tags: Mapping[str, str]) -> None:
    """Mark as killed the runs of this arm and seed from other inputs, whose process has ended.

    Not those of other trainings: they may have ended well, and wait for their registration.
    """
    of_this = (f"tags.{name} = '{tags[name]}'" for name in ("arm", "seed"))
    for run in _live_runs(store, [experiment_id], *of_this):
        if run.data.tags[TRAINING_TAG] != tags[TRAINING_TAG] and _is_dead(run):
            store.client.set_terminated(run.info.run_id, "KILLED")


def end_abandoned(store: Store, trainings: Iterable[RunRecord]) -> None:
    """Mark as killed the live runs that nobody goes on with, once all others are adopted.

    Those are the runs whose process, on this machine, has ended, and those that a finished training
    of the same arm and seed came after: they were killed, and started again from other inputs. A
    training that is taken up again later goes on with its run all the same.

    Parameters
    ----------
    trainings : records of finished trainings.
    """
    finished = {
        (store.experiments[r.experiment], r.tags["arm"], r.tags["seed"]): r.started
        for r in trainings
    }
    for run in _live_runs(store, list({experiment for experiment, *_ in finished})):
        which = run.info.experiment_id, run.data.tags["arm"], run.data.tags["seed"]
        is_overtaken = run.info.start_time < finished.get(which, 0.0) * 1000
        if is_overtaken or _is_dead(run):
            store.client.set_terminated(run.info.run_id, "KILLED")


def _live_runs(store: Store, experiment_ids: list[str], *more: str) -> list[Run]:
    wanted = (f"tags.{LIVE_TAG} = 'true'", "attributes.status = 'RUNNING'", *more)
    return list(store.client.search_runs(experiment_ids, " and ".join(wanted)))


def _is_dead(run: Run) -> bool:
    """Tell whether the process that shows a run has ended; not known of other machines."""
    tags = run.data.tags
    if tags.get(_HOST_TAG) != socket.gethostname() or not tags.get(_PID_TAG, "").isdigit():
        return False
    return not is_alive(int(tags[_PID_TAG]))
