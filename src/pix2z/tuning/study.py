"""A short Optuna study: seeded, pruned, and resumed after a kill as if nothing had happened.

Finished trials (complete or pruned) are counted; trial k is proposed by a sampler seeded with
(seed, k) from the finished trials before it. A trial that a killed process left running is marked
as failed, which samplers and pruners ignore, and proposed again: the resumed study ends where an
uninterrupted one does.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from pix2z.tuning.journal import mend
from pix2z.tuning.space import Choice, Dimension, around, decode, encode

__all__ = ["StudyResult", "TrainTrial", "TrialRecord", "run_study"]

LOG = logging.getLogger(__name__)

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
    trials: tuple[TrialRecord, ...]
    importances: dict[str, float]
    """Share of the variance of the loss that a setting explains (fANOVA, Hutter+2014)."""


def run_study(
    *,
    journal: Path,
    n_trials: int,
    seed: int,
    space: Mapping[str, Dimension],
    baseline: Mapping[str, Any],
    train_trial: TrainTrial,
) -> StudyResult:
    """Run or resume a study of `n_trials` finished trials, the baseline first.

    Parameters
    ----------
    journal : file that survives a kill; the same one resumes.
    n_trials : 0 returns the baseline without a study.
    space : setting -> its dimension.
    baseline : setting -> value in params.yaml, for every setting of the space.
    train_trial : trains once with the given settings.
    """
    start = {name: baseline[name] for name in space}
    if n_trials == 0:
        return StudyResult(start, None, (), {})
    dimensions = around(space, start)
    study = _open(journal, start)
    while (index := len(_finished(study))) < n_trials:
        study.sampler = _sampler(seed, index)
        _run_trial(study, index, n_trials, dimensions, train_trial)
    return _result(study, dimensions, start, seed)


def _open(journal: Path, baseline: Mapping[str, Any]) -> optuna.Study:
    optuna.logging.disable_default_handler()
    mend(journal)
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(journal))
    )
    study = optuna.create_study(
        storage=storage,
        study_name="hybrid",
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        LOG.info("a trial was interrupted and is run again")
        study.tell(trial.number, state=TrialState.FAIL)
    if not _finished(study) and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial({name: encode(value) for name, value in baseline.items()})
    return study


def _sampler(seed: int, index: int) -> optuna.samplers.TPESampler:
    words = np.random.SeedSequence([seed, index]).generate_state(1, np.uint32)
    # Three trials before the model of TPE: a study is short, its default of ten would be all.
    return optuna.samplers.TPESampler(seed=int(words[0]), n_startup_trials=3)


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    trials: list[optuna.trial.FrozenTrial] = study.get_trials(deepcopy=False, states=_DONE)
    return trials


def _run_trial(
    study: optuna.Study,
    index: int,
    n_trials: int,
    dimensions: Mapping[str, Dimension],
    train_trial: TrainTrial,
) -> None:
    trial = study.ask()
    settings = {name: _suggest(trial, name, dimensions[name]) for name in dimensions}
    try:
        loss = train_trial(settings, lambda epoch, value: _report(trial, epoch, value))
        study.tell(trial, _finite(loss))
        outcome = f"validation loss {loss:.4f}"
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        outcome = "pruned"
    LOG.info("trial %d of %d: %s", index + 1, n_trials, outcome)


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


def _result(
    study: optuna.Study, dimensions: Mapping[str, Dimension], start: dict[str, Any], seed: int
) -> StudyResult:
    finished = _finished(study)
    trials = tuple(_record(number, trial, dimensions) for number, trial in enumerate(finished))
    complete = [t for t in trials if t.state == "complete" and t.validation_loss is not None]
    if not complete:
        return StudyResult(start, None, trials, {})
    best = min(complete, key=lambda t: t.validation_loss or 0.0)
    return StudyResult(best.settings, best.number, trials, _importances(study, complete, seed))


def _record(
    number: int, trial: optuna.trial.FrozenTrial, dimensions: Mapping[str, Dimension]
) -> TrialRecord:
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
