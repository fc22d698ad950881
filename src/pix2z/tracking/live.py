"""Curves of a training in MLflow while it runs; `register` adopts the run afterwards.

A run is live while its training is under way. It names the machine and process that show it, so
that whoever trains or registers next can end the runs of processes that were killed.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pix2z.errors import Pix2zError
from pix2z.tracking.experiments import TRAININGS
from pix2z.tracking.records import RunRecord
from pix2z.tracking.runs import KEY_TAG, LIVE_TAG, TRAINING_TAG, curve_metrics, source_tags
from pix2z.tracking.store import Store, open_store
from pix2z.tracking.trainings import CURVES, run_name, training_tag

__all__ = ["end_abandoned", "live_curve"]

LOG = logging.getLogger(__name__)

_HOST_TAG, _PID_TAG = "host", "pid"

OnEpoch = Callable[[int, Mapping[str, float]], None]

# A training is worth more than its live curve: these end the curve, never the training.
_FAILURES = (MlflowException, Pix2zError, OSError)


def live_curve(
    seed: int,
    *,
    arm: str,
    training_key: str,
    stage: str = "train",
    experiment: str = TRAININGS,
) -> OnEpoch:
    """Return ``on_epoch(epoch, logs)``, which shows losses in MLflow as they come.

    The same `training_key` goes on with the same run: a resumed training does not make another, and
    epochs shown already are not shown twice. Where the training is registered already, or the
    store cannot be reached (one warning), nothing is shown.

    Parameters
    ----------
    arm : name of the pool that the training is for.
    training_key : digest of all that the training starts from; estimator.json records it too.
    stage : what trains, as `runs.source_tags` knows it.
    experiment : where the run is shown.
    """
    tag = training_tag(arm, seed, training_key)
    try:
        store = open_store()
        _end_former(store, arm, seed, tag, experiment)
        run = _find(store, tag, experiment)
        if run is None:
            run = _create(store, arm, seed, tag, stage, experiment)
        elif KEY_TAG in run.data.tags:
            LOG.info("%s: already registered, no live curves", run_name(arm, seed))
            return _ignore
        else:
            _take_up(store, run)
        points = store.client.get_metric_history(run.info.run_id, CURVES["val_loss"])
    except _FAILURES as error:
        LOG.warning("no live curves of %s in MLflow: %s", run_name(arm, seed), error)
        return _ignore
    return _Curves(store, run.info.run_id, {point.step for point in points})


def end_abandoned(
    store: Store, trainings: Sequence[RunRecord], *, experiment: str = TRAININGS
) -> None:
    """Mark as killed the live runs that nobody goes on with, once all others are adopted.

    Those are the runs whose process, on this machine, has ended, and those that a finished training
    of the same arm and seed came after: they were killed, and started again from other inputs. A
    training that is taken up again later goes on with its run all the same.

    Parameters
    ----------
    trainings : records of finished trainings.
    """
    finished = {(r.tags["arm"], r.tags["seed"]): r.started for r in trainings}
    for run in _live_runs(store, experiment):
        later = finished.get((run.data.tags["arm"], run.data.tags["seed"]))
        is_overtaken = later is not None and run.info.start_time < later * 1000
        if is_overtaken or _is_dead(run):
            store.client.set_terminated(run.info.run_id, "KILLED")


def _end_former(store: Store, arm: str, seed: int, tag: str, experiment: str) -> None:
    """Mark as killed the runs of this arm and seed from other inputs, whose process has ended."""
    of_this = f" and tags.arm = '{arm}' and tags.seed = '{seed}'"
    for run in _live_runs(store, experiment, of_this):
        if run.data.tags[TRAINING_TAG] != tag and _is_dead(run):
            store.client.set_terminated(run.info.run_id, "KILLED")


def _live_runs(store: Store, experiment: str, more: str = "") -> list[Run]:
    wanted = f"tags.{LIVE_TAG} = 'true' and attributes.status = 'RUNNING'{more}"
    return list(store.client.search_runs([store.experiments[experiment]], wanted))


def _is_dead(run: Run) -> bool:
    """Tell whether the process that shows a run has ended; not known of other machines."""
    tags = run.data.tags
    if tags.get(_HOST_TAG) != socket.gethostname() or not tags.get(_PID_TAG, "").isdigit():
        return False
    try:
        os.kill(int(tags[_PID_TAG]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, and is another user's
        return False
    return False


class _Curves:
    """Logs one epoch per call; after the first failure, nothing."""

    def __init__(self, store: Store, run_id: str, shown: set[int]) -> None:
        self._store, self._run_id, self._shown = store, run_id, shown
        self._failed = False

    def __call__(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Log the losses of an epoch unless they are shown already."""
        if self._failed or epoch in self._shown:
            return
        self._shown.add(epoch)
        named = {CURVES[name]: float(value) for name, value in logs.items() if name in CURVES}
        try:
            self._store.client.log_batch(self._run_id, metrics=curve_metrics(named, step=epoch))
        except _FAILURES as error:
            self._failed = True
            LOG.warning("live curves in MLflow end at epoch %d: %s", epoch, error)


def _ignore(epoch: int, logs: Mapping[str, float]) -> None:
    """Show nothing."""


def _find(store: Store, tag: str, experiment: str) -> Run | None:
    wanted = f"tags.{TRAINING_TAG} = '{tag}'"
    runs = store.client.search_runs([store.experiments[experiment]], wanted, max_results=1)
    return runs[0] if runs else None


def _this_process() -> dict[str, str]:
    return {_HOST_TAG: socket.gethostname(), _PID_TAG: str(os.getpid())}


def _take_up(store: Store, run: Run) -> None:
    """Note that this process goes on with a run."""
    for key, value in _this_process().items():
        store.client.set_tag(run.info.run_id, key, value)
    if run.info.status != "RUNNING":
        store.client.update_run(run.info.run_id, status="RUNNING")


def _create(store: Store, arm: str, seed: int, tag: str, stage: str, experiment: str) -> Run:
    return store.client.create_run(
        store.experiments[experiment],
        run_name=run_name(arm, seed),
        tags={
            "stage": stage,
            "kind": "training",
            "arm": arm,
            "seed": str(seed),
            **source_tags(stage),
            LIVE_TAG: "true",
            **_this_process(),
            TRAINING_TAG: tag,
            "mlflow.note.content": "Training under way; metrics and figures follow at its end.",
        },
    )
