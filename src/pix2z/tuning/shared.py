"""An Optuna study in a database, on which several processes and machines work at once.

Trial k is proposed by a sampler seeded with (seed, k) from the trials that are finished by then, so
which settings are tried depends on who was faster. A worker that is killed stops beating; the next
trial that anybody begins gives its settings back to be trained.
"""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pix2z.errors import InputError, Pix2zError
from pix2z.tuning.space import Dimension, around, encode
from pix2z.tuning.study import OnTrial
from pix2z.tuning.trials import (
    StudyResult,
    TrainTrial,
    finished_trials,
    median_pruner,
    outcome,
    study_result,
    tpe_sampler,
    trained,
)

__all__ = ["HEARTBEAT", "open_storage", "run_shared_study"]

LOG = logging.getLogger(__name__)

HEARTBEAT = 30
"""Seconds between two signs of life of a worker; after four times that it is given up."""

_PAUSES = (0.5, 1.0, 2.0, 4.0)

Space = dict[str, BaseDistribution]


class _SeededByNumber(BaseSampler):  # type: ignore[misc]
    """Proposes trial k as a TPE sampler does that is seeded with (seed, k).

    Workers that begin at the same moment would otherwise propose the same settings.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sampler = tpe_sampler(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        words = np.random.SeedSequence([self._seed, trial.number]).generate_state(1, np.uint32)
        self._sampler = tpe_sampler(int(words[0]))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        space: Space = self._sampler.infer_relative_search_space(study, trial)
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Space
    ) -> dict[str, Any]:
        found: dict[str, Any] = self._sampler.sample_relative(study, trial, search_space)
        return found

    def sample_independent(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        return self._sampler.sample_independent(study, trial, name, distribution)


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
    train_trial: TrainTrial,
    on_trial: OnTrial | None = None,
) -> StudyResult:
    """Work on the study `name` until it has `n_trials` finished trials, the baseline among them.

    Trials that others have begun by then are not waited for. For the other parameters see
    `study.run_study`.
    """
    start = {key: baseline[key] for key in space}
    dimensions = around(space, start)
    optuna.logging.disable_default_handler()
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction="minimize",
        load_if_exists=True,
        sampler=_SeededByNumber(seed),
        pruner=median_pruner(),
    )
    first = {key: encode(value) for key, value in start.items()}
    study.enqueue_trial(first, skip_if_exists=True)

    def result(*, importances: bool) -> StudyResult:
        finished = {_number(trial): trial for trial in finished_trials(study)}
        return study_result(
            study, dimensions, start, seed=seed, finished=finished, importances=importances
        )

    def after(_: Study, trial: FrozenTrial) -> None:
        done = len(finished_trials(study))
        LOG.info("trial %d (%d of %d): %s", _number(trial), done, n_trials, outcome(trial))
        if on_trial:
            on_trial(_number(trial), result(importances=False))

    def objective(trial: optuna.Trial) -> float:
        return trained(trial, dimensions, train_trial)

    try:
        while len(finished_trials(study)) < n_trials:
            study.optimize(objective, n_trials=1, callbacks=[after])
        return result(importances=True)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise Pix2zError(
            f"study {name}: its database failed ({_first_line(error)}); finished trials are kept, "
            "the same command goes on"
        ) from error


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
