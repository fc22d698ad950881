"""An Optuna study in a file: seeded, pruned, and resumed after a kill as if nothing had happened.

Finished trials (complete or pruned) are counted; trial k is proposed by a sampler seeded with
(seed, k) from the finished trials before it. A trial that a killed process left running is marked
as failed, which samplers and pruners ignore, and proposed again: the resumed study ends where an
uninterrupted one does.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from pix2z.tuning.journal import mend
from pix2z.tuning.space import Dimension, around, encode
from pix2z.tuning.trials import (
    StudyResult,
    TrainTrial,
    TrialRecord,
    finished_trials,
    median_pruner,
    outcome,
    study_result,
    tpe_sampler,
    trained,
)

__all__ = ["OnTrial", "StudyResult", "TrainTrial", "TrialRecord", "run_study"]

LOG = logging.getLogger(__name__)

OnTrial = Callable[[int, StudyResult], None]
"""Called after every trial with its number and the study as it is then, without importances."""


def run_study(
    *,
    journal: Path,
    n_trials: int,
    seed: int,
    space: Mapping[str, Dimension],
    baseline: Mapping[str, Any],
    train_trial: TrainTrial,
    on_trial: OnTrial | None = None,
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

    def result(*, importances: bool) -> StudyResult:
        finished = dict(enumerate(finished_trials(study)))
        return study_result(
            study, dimensions, start, seed=seed, finished=finished, importances=importances
        )

    while (index := len(finished_trials(study))) < n_trials:
        study.sampler = _sampler(seed, index)
        _run_trial(study, dimensions, train_trial)
        LOG.info("trial %d of %d: %s", index + 1, n_trials, outcome(finished_trials(study)[-1]))
        if on_trial:
            on_trial(index, result(importances=False))
    return result(importances=True)


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
        pruner=median_pruner(),
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        LOG.info("a trial was interrupted and is run again")
        study.tell(trial.number, state=TrialState.FAIL)
    if not finished_trials(study) and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial({name: encode(value) for name, value in baseline.items()})
    return study


def _sampler(seed: int, index: int) -> optuna.samplers.TPESampler:
    words = np.random.SeedSequence([seed, index]).generate_state(1, np.uint32)
    return tpe_sampler(int(words[0]))


def _run_trial(
    study: optuna.Study, dimensions: Mapping[str, Dimension], train_trial: TrainTrial
) -> None:
    trial = study.ask()
    try:
        study.tell(trial, trained(trial, dimensions, train_trial))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
