"""Curves of a training while it runs; register adopts the run afterwards."""

import logging
from collections.abc import Callable, Mapping

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pix2z.errors import Pix2zError
from pix2z.tracking.runs import KEY_TAG, LIVE_TAG, TRAINING_TAG, curve_metrics
from pix2z.tracking.store import Store, open_store
from pix2z.tracking.training_records import CURVES, run_name

__all__ = ["live_run"]

LOG = logging.getLogger(__name__)

OnEpoch = Callable[[int, Mapping[str, float]], None]

# A training is worth more than its live curve: these end the curve, never the training.
_FAILURES = (MlflowException, Pix2zError, OSError)


def live_run(
    *, arm: str, seed: int, training_key: str, tags: Mapping[str, str] | None = None
) -> OnEpoch:
    """Return ``on_epoch(epoch, logs)``, which shows losses in MLflow as they come.

    The same `training_key` goes on with the same run: a resumed training does not make another, and
    epochs shown already are not shown twice. Where the training is registered already, or the
    store cannot be reached (one warning), nothing is shown.

    Parameters
    ----------
    training_key : digest of all that the training starts from; in estimator.json as well.
    tags : further tags of the run, such as selection and architecture.
    """
    try:
        store = open_store()
        run = _find(store, training_key) or _create(store, arm, seed, training_key, tags or {})
        if KEY_TAG in run.data.tags:
            LOG.info("%s: already registered, no live curves", run_name(arm, seed))
            return _ignore
        shown = {m.step for m in store.client.get_metric_history(run.info.run_id, "val_loss")}
    except _FAILURES as error:
        LOG.warning("no live curves of %s in MLflow: %s", run_name(arm, seed), error)
        return _ignore
    return _Curves(store, run.info.run_id, shown)


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


def _find(store: Store, training_key: str) -> Run | None:
    runs = store.client.search_runs(
        [store.experiments["pix2z-train"]], f"tags.{TRAINING_TAG} = '{training_key}'", max_results=1
    )
    return runs[0] if runs else None


def _create(
    store: Store, arm: str, seed: int, training_key: str, tags: Mapping[str, str]
) -> Run:
    return store.client.create_run(
        store.experiments["pix2z-train"],
        run_name=run_name(arm, seed),
        tags={
            "stage": "train",
            "arm": arm,
            "seed": str(seed),
            **tags,
            LIVE_TAG: "true",
            TRAINING_TAG: training_key,
            "mlflow.note.content": "Training under way; metrics and figures follow at its end.",
        },
    )
