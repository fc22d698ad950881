"""An Optuna study in a file: seeded, trained in batches, and resumed after a kill.

Trials are proposed in batches of a fixed size, each from the trials of the batches before it, and
given up where they fall behind those. How many of a batch are trained at once changes nothing.
The file holds finished trials alone: a killed study goes on after the last of them, and ends where
an uninterrupted one does.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pix2z.files import read_json, write_json
from pix2z.tuning.space import Space, around, decoded, encoded
from pix2z.tuning.trials import (
    OnTrial,
    StudyResult,
    TrainTrials,
    Trial,
    finished_study,
    proposed,
    study_so_far,
)

__all__ = ["run_study"]

LOG = logging.getLogger(__name__)


def run_study(
    *,
    journal: Path,
    n_trials: int,
    batch: int,
    seed: int,
    space: Space,
    baseline: Mapping[str, Any],
    train_trials: TrainTrials,
    on_trial: OnTrial | None = None,
) -> StudyResult:
    """Run or resume a study of `n_trials` finished trials, the baseline first.

    Parameters
    ----------
    journal : JSON file that survives a kill; the same one resumes.
    n_trials : 0 returns the baseline without a study.
    batch : trials that are proposed together.
    space : what each setting is drawn from.
    baseline : setting -> value in params.yaml, for every setting of the space.
    """
    start = {name: baseline[name] for name in space}
    if n_trials == 0:
        return StudyResult(start, None, (), {})
    dimensions = around(space, start)
    trials = _read(journal)
    while (n_done := len(trials)) < n_trials:
        first = n_done - n_done % batch
        earlier, numbers = trials[:first], range(n_done, min(first + batch, n_trials))
        wanted = [proposed(earlier, dimensions, start, seed=seed, number=k) for k in numbers]
        for _, trial in zip(numbers, train_trials(wanted), strict=True):
            trials.append(trial)
            _write(journal, trials)
            LOG.info("trial %d of %d: %s", trial.number + 1, n_trials, trial.words)
            if on_trial:
                on_trial(trial, study_so_far(trials, start))
    return finished_study(trials, dimensions, start, seed=seed)


def _write(journal: Path, trials: Sequence[Trial]) -> None:
    write_json(journal, [asdict(trial) | {"settings": encoded(trial.settings)} for trial in trials])


def _read(journal: Path) -> list[Trial]:
    if not journal.exists():
        return []
    stored = [t | {"settings": decoded(t["settings"])} for t in read_json(journal)]
    return TypeAdapter(list[Trial]).validate_python(stored)
