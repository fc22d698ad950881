"""An Optuna study in a database, on which several processes and machines work at once.

Which settings are tried depends on who was faster: a proposal is seeded with the number of its
trial, but knows all trials that have finished or begun by then. A worker that is killed stops
beating; the next trial that anybody begins gives its settings back to be trained.
"""

import logging
import time
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pix2z.errors import InputError, Pix2zError
from pix2z.tuning.space import Space, around, decoded, encoded
from pix2z.tuning.trials import (
    OnTrial,
    StudyResult,
    TrainTrials,
    Trial,
    WantedTrial,
    finished_study,
    limits_of,
    seeded_sampler,
    study_so_far,
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
    # Heartbeats may change in a later release of Optuna, says a warning to whoever uses them.
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    make = partial(
        RDBStorage,
        url,
        heartbeat_interval=heartbeat,
        grace_period=4 * heartbeat,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
    )
    for pause in _PAUSES:
        try:
            return make()
        except SQLAlchemyError:
            time.sleep(pause)
    return make()


def run_shared_study(
    *,
    storage: RDBStorage,
    name: str,
    n_trials: int,
    seed: int,
    space: Space,
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
    try:
        study = _joined(storage, name, start, seed)
        while len(_finished(study)) < n_trials:
            trial = _work_on_one(study, dimensions, train_trials)
            LOG.info("trial %d: %s", trial.number, trial.words)
            if on_trial:
                on_trial(trial, study_so_far(_finished(study), start))
        return finished_study(_finished(study), dimensions, start, seed=seed)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise Pix2zError(
            f"study {name}: its database failed ({_first_line(error)}); finished trials are kept, "
            "the same command goes on"
        ) from error


def _joined(storage: RDBStorage, name: str, start: Mapping[str, Any], seed: int) -> Study:
    """Make the study, or join it where somebody else has; it begins with the settings `start`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage, study_name=name, load_if_exists=True, sampler=_SeededByNumber(seed)
    )
    study.enqueue_trial(encoded(start), skip_if_exists=True)
    return study


class _SeededByNumber(BaseSampler):  # type: ignore[misc]  # Optuna has no types for us
    """Proposes every trial with a sampler of its own, so that no two workers draw alike."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:  # noqa: ARG002
        self._of_this_trial = seeded_sampler(self._seed, trial.number)

    def infer_relative_search_space(self, *of_what: Any) -> Any:
        return self._of_this_trial.infer_relative_search_space(*of_what)

    def sample_relative(self, *of_what: Any) -> Any:
        return self._of_this_trial.sample_relative(*of_what)

    def sample_independent(self, *of_what: Any) -> Any:
        return self._of_this_trial.sample_independent(*of_what)


def _work_on_one(study: Study, space: Space, train_trials: TrainTrials) -> Trial:
    """Train one trial, with signs of life meanwhile; return it as it ended."""
    ended: list[FrozenTrial] = []

    def objective(asked: optuna.Trial) -> float:
        settings = _suggested(asked, space)
        (trial,) = train_trials([WantedTrial(asked.number, settings, limits_of(_finished(study)))])
        for epoch, loss in trial.curve.items():
            asked.report(loss, epoch)
        asked.set_user_attr("seconds", trial.seconds)
        if trial.validation_loss is None:
            raise optuna.TrialPruned
        return trial.validation_loss

    study.optimize(objective, n_trials=1, callbacks=[lambda _, trial: ended.append(trial)])
    return _trial_of(ended[0])


def _suggested(asked: optuna.Trial, space: Space) -> dict[str, Any]:
    """Return the settings of a trial, also of one that takes over those of another."""
    suggested: dict[str, Any] = {}
    for name, of in space.items():
        if isinstance(of, CategoricalDistribution):
            suggested[name] = asked.suggest_categorical(name, of.choices)
        else:
            suggested[name] = asked.suggest_float(name, of.low, of.high, log=of.log)
    return decoded(suggested)


def _finished(study: Study) -> list[Trial]:
    """Return complete and pruned trials, by number."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return sorted(map(_trial_of, ended), key=lambda trial: trial.number)


def _trial_of(ended: FrozenTrial) -> Trial:
    """Read a trial; one that took over the settings of a given-up trial has its number."""
    given_up: int | None = RetryHeartbeatStaleTrialCallback.retried_trial_number(ended)
    return Trial(
        number=ended.number if given_up is None else given_up,
        settings=decoded(ended.params),
        curve=dict(ended.intermediate_values),
        validation_loss=ended.value,
        state=ended.state.name.lower(),
        seconds=ended.user_attrs["seconds"],
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
