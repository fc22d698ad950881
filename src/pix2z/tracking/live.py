"""Curves of a training while it runs; register adopts the run afterwards."""

import logging
from collections.abc import Callable, Mapping, Sequence

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.errors import Pix2zError
from pix2z.tracking.process_mark import PROCESS_TAG, this_process
from pix2z.tracking.record import RunRecord
from pix2z.tracking.runs import KEY_TAG, LIVE_TAG, TRAINING_TAG, curve_metrics, source_tags
from pix2z.tracking.store import Store, open_store
from pix2z.tracking.training_records import CURVES, run_name, training_tag

__all__ = ["SPECTRA", "end_abandoned", "live_curve"]

LOG = logging.getLogger(__name__)

TRAININGS, SPECTRA = "pix2z-train", SPECTRUM_MODEL
"""Experiments of the redshift and of the spectrum networks."""

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
        found = _find(store, tag, experiment)
        run = (
            _taken_up(store, found) if found else _create(store, arm, seed, tag, stage, experiment)
        )
        if KEY_TAG in run.data.tags:
            LOG.info("%s: already registered, no live curves", run_name(arm, seed))
            return _ignore
        shown = _epochs_shown(store, run)
    except _FAILURES as error:
        LOG.warning("no live curves of %s in MLflow: %s", run_name(arm, seed), error)
        return _ignore
    return _Curves(store, run.info.run_id, shown)


def end_abandoned(
    store: Store, records: Sequence[RunRecord], *, experiment: str = TRAININGS
) -> None:
    """Mark as killed the live runs that a finished training of the same arm and seed came after.

    They were killed and started again from other inputs: nothing will ever adopt them.
    """
    finished = {(r.tags["arm"], r.tags["seed"]): r.started for r in records}
    wanted = f"tags.{LIVE_TAG} = 'true' and attributes.status = 'RUNNING'"
    for run in store.client.search_runs([store.experiments[experiment]], wanted):
        started = finished.get((run.data.tags["arm"], run.data.tags["seed"]))
        if started is not None and run.info.start_time < started * 1000:
            store.client.set_terminated(run.info.run_id, "KILLED")


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


def _taken_up(store: Store, run: Run) -> Run:
    """Note that this process goes on with a run; one that is registered is left alone."""
    if KEY_TAG not in run.data.tags:
        store.client.set_tag(run.info.run_id, PROCESS_TAG, this_process())
        if run.info.status != "RUNNING":
            store.client.update_run(run.info.run_id, status="RUNNING")
    return run


def _epochs_shown(store: Store, run: Run) -> set[int]:
    points = store.client.get_metric_history(run.info.run_id, CURVES["val_loss"])
    return {point.step for point in points}


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
            PROCESS_TAG: this_process(),
            TRAINING_TAG: tag,
            "mlflow.note.content": "Training under way; metrics and figures follow at its end.",
        },
    )
