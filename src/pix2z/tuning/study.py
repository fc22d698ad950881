"""An Optuna study in a file: seeded, trained in batches, and resumed after a kill.

Trials are proposed in batches of a fixed size, each from the trials of the batches before it, and
given up where they fall behind those. How many of a batch are trained at once changes nothing.
The file holds finished trials alone: a killed study goes on after the last of them, and ends where
an uninterrupted one does.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna

from pix2z.files import text_digest
from pix2z.tuning.space import Dimension, around
from pix2z.tuning.trials import (
    StudyResult,
    TrainTrials,
    WantedTrial,
    finished_trial,
    finished_trials,
    limits_of,
    outcome_words,
    proposed,
    study_result,
    with_importances,
)

__all__ = ["OnTrial", "journal_path", "mend", "run_study"]

LOG = logging.getLogger(__name__)

OnTrial = Callable[[int, StudyResult], None]
"""Called after every trial with its number and the study as it is then, without importances."""


def run_study(
    *,
    journal: Path,
    n_trials: int,
    batch: int,
    seed: int,
    space: Mapping[str, Dimension],
    baseline: Mapping[str, Any],
    train_trials: TrainTrials,
    on_trial: OnTrial | None = None,
) -> StudyResult:
    """Run or resume a study of `n_trials` finished trials, the baseline first.

    Parameters
    ----------
    journal : file that survives a kill; the same one resumes.
    n_trials : 0 returns the baseline without a study.
    batch : trials that are proposed together.
    space : setting -> its dimension.
    baseline : setting -> value in params.yaml, for every setting of the space.
    """
    start = {name: baseline[name] for name in space}
    if n_trials == 0:
        return StudyResult(start, None, (), {})
    dimensions = around(space, start)
    study = _open(journal)

    def result() -> StudyResult:
        return study_result(dict(enumerate(finished_trials(study))), dimensions, start)

    while (n_done := len(finished_trials(study))) < n_trials:
        first = n_done - n_done % batch
        numbers = range(n_done, min(first + batch, n_trials))
        earlier = finished_trials(study)[:first]
        asked = [proposed(earlier, dimensions, start, seed=seed, number=k) for k in numbers]
        limits = limits_of(earlier)
        outcomes = train_trials([WantedTrial(settings, limits) for _, settings in asked])
        for number, (trial, _), outcome in zip(numbers, asked, outcomes, strict=True):
            finished = finished_trial(trial, outcome)
            study.add_trial(finished)
            LOG.info("trial %d of %d: %s", number + 1, n_trials, outcome_words(finished))
            if on_trial:
                on_trial(number, result())
    return with_importances(result(), study, seed=seed)


def _open(journal: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    mend(journal)
    # Optuna locks the file by a link to it: with a relative path that leads nowhere, and hangs.
    backend = optuna.storages.journal.JournalFileBackend(str(journal.absolute()))
    return optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        study_name="hybrid",
        direction="minimize",
        load_if_exists=True,
    )


def journal_path(folder: str | Path, *parts: str) -> Path:
    """``<folder>/<digest of parts>/journal.log``; its folder is made.

    Parts are digests or texts of the data, rows, parameters and code: a study that changed in any
    of them starts anew, one that was killed goes on.
    """
    path = Path(folder) / text_digest(*parts)[:16] / "journal.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def mend(journal: Path) -> None:
    """Cut a last line that a killed process left unfinished, so that the next one stands alone."""
    if journal.exists():
        content = journal.read_bytes()
        if not content.endswith(b"\n"):
            with journal.open("rb+") as file:
                file.truncate(content.rfind(b"\n") + 1)
