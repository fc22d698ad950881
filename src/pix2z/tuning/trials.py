"""One trial of a study: how it is proposed, when it is given up, and what all of them say.

Proposals and limits are functions of the trials that had finished before, nothing else, so that
trials can be trained in any process, several at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from pix2z.tuning.space import Space, decoded, encoded

__all__ = [
    "OnTrial",
    "StudyResult",
    "TrainTrials",
    "Trial",
    "WantedTrial",
    "finished_study",
    "limits_of",
    "proposed",
    "seeded_sampler",
    "study_so_far",
]

FIRST_AT_RANDOM = 3
"""Trials before the sampler has a model of the loss and before any is given up: Optuna's default,
ten, may be all."""

LEAST_EPOCHS = 2
"""That every trial is trained."""


@dataclass(frozen=True)
class Trial:
    """One finished trial."""

    number: int
    """0 is the baseline of params.yaml."""
    settings: dict[str, Any]
    curve: dict[int, float]
    """Epoch -> finite validation loss."""
    validation_loss: float | None
    """The lowest; None where a loss was not finite or the trial was given up."""
    state: str
    """``complete`` or ``pruned``."""
    seconds: float

    @property
    def words(self) -> str:
        """How it ended."""
        if self.validation_loss is None:
            return f"pruned after {len(self.curve)} epochs"
        return f"validation loss {self.validation_loss:.4f}"


@dataclass(frozen=True)
class WantedTrial:
    """What a training is asked for."""

    number: int
    settings: dict[str, Any]
    limits: Mapping[int, float]
    """Epoch -> validation loss; with a higher one than that so far, the trial is given up."""

    def ended(self, curve: dict[int, float], loss: float | None, seconds: float) -> Trial:
        """Return the trial as it ended; `loss` is None where it was given up."""
        state = "pruned" if loss is None else "complete"
        return Trial(self.number, self.settings, curve, loss, state, seconds)


TrainTrials = Callable[[Sequence[WantedTrial]], Iterator[Trial]]
"""Trains the trials, any number at once, and yields them in order."""


@dataclass(frozen=True)
class StudyResult:
    """The best settings, every trial, and how much each setting mattered."""

    best_settings: dict[str, Any]
    best_trial: int | None
    """Its number."""
    trials: tuple[Trial, ...]
    importances: dict[str, float]
    """Share of the variance of the loss that a setting explains (fANOVA, Hutter+2014)."""


OnTrial = Callable[[Trial, StudyResult], None]
"""Called after every trial with it and the study as it is then, without importances."""


def seeded_sampler(seed: int, number: int) -> TPESampler:
    """Return what proposes trial `number`, seeded with both."""
    words = np.random.SeedSequence([seed, number]).generate_state(1, np.uint32)
    return TPESampler(seed=int(words[0]), n_startup_trials=FIRST_AT_RANDOM)


def proposed(
    earlier: Sequence[Trial], space: Space, start: Mapping[str, Any], *, seed: int, number: int
) -> WantedTrial:
    """Propose trial `number`: the settings `start` for the first, then those of a TPE sampler.

    The sampler is seeded with (seed, number) and knows the trials `earlier`.
    """
    study = _in_optuna(earlier, space, sampler=seeded_sampler(seed, number))
    if number == 0:
        study.enqueue_trial(encoded(start))
    settings = decoded(study.ask(dict(space)).params)
    return WantedTrial(number, settings, limits_of(earlier))


def _in_optuna(
    trials: Sequence[Trial], space: Space, *, sampler: TPESampler | None = None
) -> optuna.Study:
    """Return a study in memory that holds these trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler)
    for trial in trials:
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState[trial.state.upper()],
                value=trial.validation_loss,
                params=encoded(trial.settings),
                distributions=dict(space),
                intermediate_values=trial.curve,
            )
        )
    return study


def limits_of(finished: Sequence[Trial]) -> dict[int, float]:
    """Return the loss that a trial must not exceed after each epoch: the median of complete ones.

    The rule is that of Optuna's MedianPruner: the best loss of a trial so far is compared with the
    losses of others in that epoch.
    """
    curves = [trial.curve for trial in finished if trial.state == "complete"]
    if len(curves) < FIRST_AT_RANDOM:
        return {}
    return {
        epoch: float(np.median([curve[epoch] for curve in curves if epoch in curve]))
        for epoch in sorted(set().union(*curves))
        if epoch + 1 >= LEAST_EPOCHS
    }


def study_so_far(trials: Sequence[Trial], start: dict[str, Any]) -> StudyResult:
    """Return what finished trials say, without importances.

    `start` are the settings to keep where no trial has a finite loss.
    """
    losses = {t.number: t.validation_loss for t in trials if t.validation_loss is not None}
    best = min(losses, key=losses.__getitem__, default=None)
    settings = next((trial.settings for trial in trials if trial.number == best), start)
    return StudyResult(settings, best, tuple(trials), {})


def finished_study(
    trials: Sequence[Trial], space: Space, start: dict[str, Any], *, seed: int
) -> StudyResult:
    """Return what all trials say, and the share of each setting in the variance of the loss."""
    result = study_so_far(trials, start)
    losses = {trial.validation_loss for trial in trials} - {None}
    if len(losses) < 2:
        return result
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    study = _in_optuna(trials, space)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return replace(result, importances={name: float(share) for name, share in shares.items()})
