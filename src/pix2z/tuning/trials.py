"""One trial of a study: how it is proposed, when it is given up, and what it says in the end.

Proposals and limits are functions of the trials that had finished before, nothing else, so that
trials can be trained in any process, several at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from pix2z.tuning.space import Choice, Dimension, decode, encode

__all__ = [
    "FIRST_AT_RANDOM",
    "StudyResult",
    "TrainTrials",
    "TrialOutcome",
    "TrialRecord",
    "WantedTrial",
    "finished_trial",
    "finished_trials",
    "limits_of",
    "outcome_words",
    "proposed",
    "study_result",
    "suggested",
    "with_importances",
]

FIRST_AT_RANDOM = 3
"""Trials before the sampler has a model of the loss and before any is given up: Optuna's default,
ten, may be all."""

LEAST_EPOCHS = 2
"""That every trial is trained."""


@dataclass(frozen=True)
class WantedTrial:
    """What a training is asked for."""

    settings: dict[str, Any]
    limits: Mapping[int, float]
    """Epoch -> validation loss; with a higher one than that so far, the trial is given up."""


@dataclass(frozen=True)
class TrialOutcome:
    """What a training has to say."""

    curve: Mapping[int, float]
    """Epoch -> finite validation loss."""
    loss: float | None
    """The lowest; None where a loss was not finite or the trial was given up."""
    seconds: float


TrainTrials = Callable[[Sequence[WantedTrial]], Iterator[TrialOutcome]]
"""Trains the trials, any number at once, and yields their outcomes in order."""


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial."""

    number: int
    """0 is the baseline of params.yaml."""
    settings: dict[str, Any]
    curve: dict[int, float]
    """Epoch -> validation loss."""
    validation_loss: float | None
    """None where it was not finite."""
    state: str
    """``complete`` or ``pruned``."""
    seconds: float


@dataclass(frozen=True)
class StudyResult:
    """The best settings, every trial, and how much each setting mattered."""

    best_settings: dict[str, Any]
    best_trial: int | None
    """Its number."""
    trials: tuple[TrialRecord, ...]
    importances: dict[str, float]
    """Share of the variance of the loss that a setting explains (fANOVA, Hutter+2014)."""


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return complete and pruned trials, by number."""
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=states)
    return trials


def proposed(
    earlier: Sequence[FrozenTrial],
    space: Mapping[str, Dimension],
    start: Mapping[str, Any],
    *,
    seed: int,
    number: int,
) -> tuple[optuna.Trial, dict[str, Any]]:
    """Propose settings for trial `number`: `start` for the first, then those of a TPE sampler.

    The sampler is seeded with (seed, number) and knows the trials `earlier`.
    """
    words = np.random.SeedSequence([seed, number]).generate_state(1, np.uint32)
    sampler = optuna.samplers.TPESampler(seed=int(words[0]), n_startup_trials=FIRST_AT_RANDOM)
    study = optuna.create_study(sampler=sampler)
    study.add_trials(earlier)
    if number == 0:
        study.enqueue_trial({name: encode(value) for name, value in start.items()})
    trial = study.ask()
    return trial, suggested(trial, space)


def suggested(trial: optuna.Trial, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return what the trial's sampler suggests for every setting."""
    settings = {}
    for name, dimension in space.items():
        if isinstance(dimension, Choice):
            labels = [encode(option) for option in dimension.options]
            settings[name] = decode(dimension, trial.suggest_categorical(name, labels))
        else:
            low, high = dimension.low, dimension.high
            settings[name] = trial.suggest_float(name, low, high, log=dimension.log)
    return settings


def limits_of(finished: Sequence[FrozenTrial]) -> dict[int, float]:
    """Return the loss that a trial must not exceed after each epoch: the median of complete ones.

    The rule is that of Optuna's MedianPruner: the best loss of a trial so far is compared with the
    losses of others in that epoch.
    """
    curves = [t.intermediate_values for t in finished if t.state == TrialState.COMPLETE]
    if len(curves) < FIRST_AT_RANDOM:
        return {}
    epochs = sorted(set().union(*curves))
    return {
        epoch: float(np.median([curve[epoch] for curve in curves if epoch in curve]))
        for epoch in epochs
        if epoch + 1 >= LEAST_EPOCHS
    }


def finished_trial(asked: optuna.Trial, outcome: TrialOutcome) -> FrozenTrial:
    """Return a trial as Optuna keeps it once it has been trained."""
    return optuna.trial.create_trial(
        state=TrialState.PRUNED if outcome.loss is None else TrialState.COMPLETE,
        value=outcome.loss,
        params=asked.params,
        distributions=asked.distributions,
        intermediate_values=dict(outcome.curve),
        user_attrs={"seconds": outcome.seconds},
    )


def outcome_words(trial: FrozenTrial) -> str:
    """Say how a trial ended."""
    if trial.state == TrialState.PRUNED or trial.value is None:
        return f"pruned after epoch {len(trial.intermediate_values)}"
    return f"validation loss {trial.value:.4f}"


def study_result(
    finished: Mapping[int, FrozenTrial], space: Mapping[str, Dimension], start: dict[str, Any]
) -> StudyResult:
    """Return what finished trials say, by their numbers, without importances.

    `start` are the settings to keep where no trial has a finite loss.
    """
    trials = tuple(_record(number, finished[number], space) for number in sorted(finished))
    complete = [trial for trial in trials if trial.validation_loss is not None]
    if not complete:
        return StudyResult(start, None, trials, {})
    best = min(complete, key=lambda trial: trial.validation_loss or 0.0)
    return StudyResult(best.settings, best.number, trials, {})


def _record(number: int, trial: FrozenTrial, space: Mapping[str, Dimension]) -> TrialRecord:
    return TrialRecord(
        number=number,
        settings={name: decode(space[name], trial.params[name]) for name in space},
        curve=dict(trial.intermediate_values),
        validation_loss=trial.value,
        state=trial.state.name.lower(),
        seconds=trial.user_attrs["seconds"],
    )


def with_importances(result: StudyResult, study: optuna.Study, *, seed: int) -> StudyResult:
    """Add the share of each setting in the variance of the loss; none where the losses are one."""
    losses = {trial.validation_loss for trial in result.trials} - {None}
    if len(losses) < 2:
        return result
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return replace(result, importances={name: float(share) for name, share in shares.items()})
