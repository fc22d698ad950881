"""An Optuna study in a database, on which several processes and machines work at once.

Which settings are tried depends on who was faster, so proposals have no seed: they keep away from
those that others train at the moment. A worker that is killed stops beating; the next trial that
anybody begins gives its settings back to be trained.
"""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pix2z.errors import InputError, Pix2zError
from pix2z.tuning.space import Dimension, around, encode
from pix2z.tuning.study import OnTrial
from pix2z.tuning.trials import (
    FIRST_AT_RANDOM,
    StudyResult,
    TrainTrials,
    WantedTrial,
    finished_trials,
    limits_of,
    outcome_words,
    study_result,
    suggested,
    with_importances,
)

__all__ = ["HEARTBEAT", "open_storage", "run_shared_study"]

LOG = logging.getLogger(__name__)

HEARTBEAT = 30
"""Seconds between two signs of life of a worker; after four times that it is given up."""

_PAUSES = (0.5, 1.0, 2.0, 4.0)


def open_storage(url: str, *, heartbeat: int = HEARTBEAT) -> RDBStorage:
    """Open the database of studies; its tables are made where they are missing.

    Raises
    ------
    InputError
        The URL is none of a database, its driver is missing, or MLflow lives there.
    Pix2zError
        The database cannot be reached.
    """
    try:
        shown = sqlalchemy.make_url(url).render_as_string()  # without its password
        _refuse_mlflow(url, shown)
        return _opened(url, heartbeat)
    except (ImportError, ArgumentError) as error:
        raise InputError(
            "the storage of the study: expected the URL of a database with an installed driver, "
            f"such as postgresql://user@host/optuna ({_first_line(error)})"
        ) from error
    except SQLAlchemyError as error:
        raise Pix2zError(f"{shown}: cannot be used ({_first_line(error)})") from error


def _refuse_mlflow(url: str, shown: str) -> None:
    """Raise InputError where both would share tables of one name, and spoil each other's."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    if sqlalchemy.inspect(engine).has_table("registered_models"):
        raise InputError(f"{shown}: holds MLflow's store; a study needs a database of its own")


def _opened(url: str, heartbeat: int) -> RDBStorage:
    """Make the tables; try again where somebody else makes them too."""
    for pause in _PAUSES:
        try:
            return _storage(url, heartbeat)
        except SQLAlchemyError:
            time.sleep(pause)
    return _storage(url, heartbeat)


def _storage(url: str, heartbeat: int) -> RDBStorage:
    with _experimental():
        return RDBStorage(
            url,
            heartbeat_interval=heartbeat,
            grace_period=4 * heartbeat,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
        )


def run_shared_study(
    *,
    storage: RDBStorage,
    name: str,
    n_trials: int,
    seed: int,
    space: Mapping[str, Dimension],
    baseline: Mapping[str, Any],
    train_trials: TrainTrials,
    on_trial: OnTrial | None = None,
) -> StudyResult:
    """Work on the study `name` until it has `n_trials` finished trials, the baseline among them.

    Trials that others have begun by then are not waited for. For the other parameters see
    `study.run_study`.
    """
    start = {key: baseline[key] for key in space}
    dimensions = around(space, start)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def result() -> StudyResult:
        finished = {_number(trial): trial for trial in finished_trials(study)}
        return study_result(finished, dimensions, start)

    try:
        study = _joined(storage, name, start)
        while len(finished_trials(study)) < n_trials:
            trial = _work_on_one(study, dimensions, train_trials)
            LOG.info("trial %d: %s", _number(trial), outcome_words(trial))
            if on_trial:
                on_trial(_number(trial), result())
        return with_importances(result(), study, seed=seed)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise Pix2zError(
            f"study {name}: its database failed ({_first_line(error)}); finished trials are kept, "
            "the same command goes on"
        ) from error


def _joined(storage: RDBStorage, name: str, start: Mapping[str, Any]) -> Study:
    """Make the study, or join it where somebody else has; it begins with the settings `start`."""
    with _experimental():
        sampler = TPESampler(n_startup_trials=FIRST_AT_RANDOM, constant_liar=True)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction="minimize",
        load_if_exists=True,
        sampler=sampler,
    )
    first = {key: encode(value) for key, value in start.items()}
    study.enqueue_trial(first, skip_if_exists=True)
    return study


def _work_on_one(
    study: Study, space: Mapping[str, Dimension], train_trials: TrainTrials
) -> FrozenTrial:
    """Train one trial, with signs of life meanwhile; return it as it ended."""
    ended: list[FrozenTrial] = []

    def objective(trial: optuna.Trial) -> float:
        wanted = WantedTrial(suggested(trial, space), limits_of(finished_trials(study)))
        (outcome,) = train_trials([wanted])
        for epoch, loss in outcome.curve.items():
            trial.report(loss, epoch)
        trial.set_user_attr("seconds", outcome.seconds)
        if outcome.loss is None:
            raise optuna.TrialPruned
        return outcome.loss

    study.optimize(objective, n_trials=1, callbacks=[lambda _, trial: ended.append(trial)])
    return ended[0]


def _number(trial: FrozenTrial) -> int:
    """Return the number of a trial, or of the one that was given up whose settings it took over."""
    with _experimental():
        given_up: int | None = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if given_up is None else given_up


@contextmanager
def _experimental() -> Iterator[None]:
    """Hold back Optuna's warnings that heartbeats may change in a later release."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
