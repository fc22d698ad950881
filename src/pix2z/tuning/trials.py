"""One trial of a study, and what all of them say, as values made of Optuna's."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from pix2z.tuning.space import Choice, Dimension, decode, encode

__all__ = [
    "Report",
    "StudyResult",
    "TrainTrial",
    "TrialRecord",
    "finished_trials",
    "median_pruner",
    "outcome",
    "study_result",
    "tpe_sampler",
    "trained",
]

Report = Callable[[int, float], None]
TrainTrial = Callable[[dict[str, Any], Report], float]
"""(settings, report) -> lowest validation loss; report(epoch, loss) after every epoch may raise."""

_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


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


def tpe_sampler(seed: int) -> optuna.samplers.TPESampler:
    """Return the sampler; its model begins after three trials: its default, ten, may be all."""
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=3)


def median_pruner() -> optuna.pruners.MedianPruner:
    """Return what ends a trial that falls behind the median of those before it."""
    return optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return complete and pruned trials, by number."""
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=_DONE)
    return trials


def trained(
    trial: optuna.Trial, dimensions: Mapping[str, Dimension], train_trial: TrainTrial
) -> float:
    """Train with the settings that the trial suggests; raise TrialPruned where it is of no use."""
    settings = {name: _suggest(trial, name, dimensions[name]) for name in dimensions}
    return _finite(train_trial(settings, lambda epoch, value: _report(trial, epoch, value)))


def outcome(trial: FrozenTrial) -> str:
    """Say in words how a trial ended."""
    if trial.state == TrialState.PRUNED or trial.value is None:
        return f"pruned after epoch {len(trial.intermediate_values)}"
    return f"validation loss {trial.value:.4f}"


def study_result(
    study: optuna.Study,
    dimensions: Mapping[str, Dimension],
    start: dict[str, Any],
    *,
    seed: int,
    finished: Mapping[int, FrozenTrial],
    importances: bool = True,
) -> StudyResult:
    """Return what finished trials say.

    Parameters
    ----------
    start : settings to keep where no trial has a finite loss.
    seed : of the forest behind the importances.
    finished : number -> trial; asked for once, since others may finish one at any moment.
    importances : whether to look for them, which takes a second.
    """
    records = (_record(number, trial, dimensions) for number, trial in finished.items())
    trials = tuple(sorted(records, key=lambda trial: trial.number))
    complete = [t for t in trials if t.state == "complete" and t.validation_loss is not None]
    if not complete:
        return StudyResult(start, None, trials, {})
    best = min(complete, key=lambda t: t.validation_loss or 0.0)
    shares = _importances(study, complete, seed) if importances else {}
    return StudyResult(best.settings, best.number, trials, shares)


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choice):
        labels = [encode(option) for option in dimension.options]
        return decode(dimension, trial.suggest_categorical(name, labels))
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _report(trial: optuna.Trial, epoch: int, loss: float) -> None:
    trial.report(_finite(loss), epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise optuna.TrialPruned
    return float(loss)


def _record(number: int, trial: FrozenTrial, dimensions: Mapping[str, Dimension]) -> TrialRecord:
    return TrialRecord(
        number=number,
        settings={name: decode(dimensions[name], trial.params[name]) for name in dimensions},
        curve=dict(trial.intermediate_values),
        validation_loss=trial.value,
        state=trial.state.name.lower(),
        seconds=trial.duration.total_seconds(),
    )


def _importances(study: optuna.Study, complete: list[TrialRecord], seed: int) -> dict[str, float]:
    """Return the importance of each setting; none where there are not two different losses."""
    if len({trial.validation_loss for trial in complete}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}
