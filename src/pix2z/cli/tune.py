"""``pix2z tune``: a long search for settings, beside the pipeline."""

import fcntl
import logging
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.errors import InputError, Pix2zError

if TYPE_CHECKING:
    from pix2z.config.networks import HybridConfig
    from pix2z.config.pdf import PdfConfig
    from pix2z.config.tune import TuneConfig
    from pix2z.tuning.study import OnTrial
    from pix2z.tuning.trials import StudyResult

__all__ = ["tune"]

STUDIES = Path(".studies")
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT."""


def tune(
    trials: Annotated[
        int, typer.Option(min=1, help="Finished trials that the study shall have in all.")
    ] = 40,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Of one trial, at most; default: tune.epochs of params.yaml."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="PIX2Z_STUDY_STORAGE",
            help="URL of a database, as postgresql://user@host/optuna: whoever names it works on "
            "the same study. Default: a file in .studies.",
        ),
    ] = None,
) -> None:
    """Search longer for the hybrid's settings, on training and validation galaxies alone.

    The study begins with the settings of params.yaml. MLflow shows it as it grows. What was
    interrupted goes on with the same command, also with more trials. Nothing of the pipeline
    changes; in the end the command that would use the best settings is printed.
    """
    from pix2z.cli.process import ended_by_sigterm

    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    study = _study(trials, epochs, storage)
    _say(f"study {study.name}, {trials} trials of at most {study.tune.epochs} epochs")
    shown = _Shown(study)
    try:
        with ended_by_sigterm():
            result = _run(study, shown)
    except KeyboardInterrupt:
        typer.echo("interrupted: finished trials are kept, the same command goes on", err=True)
        raise typer.Exit(INTERRUPTED) from None
    shown.write(result)
    _show_result(result, study.hybrid.model_dump())
    _say(f"All trials: {study.report}; MLflow: experiment pix2z-tune.")
    _register(study)


@dataclass(frozen=True)
class _Study:
    """What is to be searched, and where."""

    tune: "TuneConfig"
    hybrid: "HybridConfig"
    pdf: "PdfConfig"
    folder: Path
    storage: str | None

    @property
    def name(self) -> str:
        """The same data, rows, settings and code give the same name, on every machine."""
        return f"{'shared' if self.storage else 'hybrid'}-{self.folder.name}"

    @property
    def report(self) -> Path:
        """Folder of what is told of it."""
        return self.folder / self.name


def _study(trials: int, epochs: int | None, storage: str | None) -> _Study:
    """Read the parameters; raise InputError where the pipeline has not made its rows yet."""
    from pix2z.cli.process import quiet_import
    from pix2z.config.networks import HybridConfig
    from pix2z.config.pdf import PdfConfig
    from pix2z.config.tune import TuneConfig

    tune, hybrid, pdf = TuneConfig.read(), HybridConfig.read(), PdfConfig.read()
    tune = tune.model_copy(update={"n_trials": trials, "epochs": epochs or tune.epochs})
    with quiet_import():
        from pix2z.tuning.hybrid import GALAXIES, ROWS, study_parts
    for path in (GALAXIES, ROWS):
        if not path.is_file():
            raise InputError(f"{path}: missing; `dvc repro split` makes it")
    from pix2z.tuning.journal import journal_path

    # A journal of its own: that of the stage `tune` must hold the trials of that stage alone.
    journal = journal_path(STUDIES, "pix2z tune", *study_parts(tune, hybrid, pdf))
    return _Study(tune, hybrid, pdf, journal.parent, storage)


def _run(study: _Study, on_trial: "OnTrial") -> "StudyResult":
    from pix2z.tuning.hybrid import hybrid_trials
    from pix2z.tuning.shared import open_storage, run_shared_study
    from pix2z.tuning.space import HYBRID_SPACE
    from pix2z.tuning.study import run_study

    wanted: dict[str, Any] = {
        "n_trials": study.tune.n_trials,
        "seed": study.tune.seed,
        "space": HYBRID_SPACE,
        "baseline": study.hybrid.model_dump(),
        "on_trial": on_trial,
    }
    database = open_storage(study.storage) if study.storage else None
    with hybrid_trials(study.tune, study.hybrid, study.pdf) as train:
        if database:
            return run_shared_study(storage=database, name=study.name, train_trial=train, **wanted)
        with _alone(study.folder / "lock"):
            return run_study(journal=study.folder / "journal.log", train_trial=train, **wanted)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file, which a killed holder releases; raise Pix2zError where another does."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Pix2zError(
                f"{path.parent}: another pix2z tune works on this study; several can share one "
                "that is in a database (--storage)"
            ) from error
        yield


class _Shown:
    """Shows the study after each trial: a line, files, and MLflow until that fails once."""

    def __init__(self, study: _Study) -> None:
        self._study, self._failed = study, False

    def __call__(self, number: int, result: "StudyResult") -> None:
        """Take the study as it is after trial `number`."""
        trial = next(trial for trial in result.trials if trial.number == number)
        pruned = f"pruned after {len(trial.curve)} epochs"
        ended = (
            f"validation loss {trial.validation_loss:.4f}" if trial.state == "complete" else pruned
        )
        _say(f"trial {number} ({len(result.trials)} of {self._study.tune.n_trials}): {ended}")
        self.write(result)
        if self._failed:
            return
        try:
            _register(self._study)
        except Pix2zError as error:
            self._failed = True
            typer.echo(f"warning: {error}; once more at the end", err=True)

    def write(self, result: "StudyResult") -> None:
        """Write the files that tell of the study."""
        from pix2z.tuning.report import write_study

        write_study(self._study.report, result)


def _register(study: _Study) -> None:
    from pix2z.tracking.studies import register_study
    from pix2z.tuning.hybrid import GALAXIES

    register_study(study.report, name=study.name, galaxies=str(GALAXIES), root=Path())


def _show_result(result: "StudyResult", baseline: Mapping[str, Any]) -> None:
    """Print the best settings beside those of params.yaml, and the command that uses them."""
    by_number = {trial.number: trial for trial in result.trials}
    best = by_number.get(-1 if result.best_trial is None else result.best_trial)
    changed = {
        name: value for name, value in result.best_settings.items() if value != baseline[name]
    }
    if best is None or not changed:
        _say("No trial was better than the settings of params.yaml.")
        return
    first = by_number.get(0)
    _say(f"\n{'':20}{'params.yaml':>14}{f'trial {best.number}':>14}")
    for name, value in result.best_settings.items():
        _say(f"{name:20}{_short(baseline[name]):>14}{_short(value):>14}")
    losses = (t.validation_loss if t else None for t in (first, best))
    _say(f"{'validation loss':20}" + "".join(f"{_short(loss):>14}" for loss in losses))
    options = [f"-S {shlex.quote(f'hybrid.{n}={_yaml(value)}')}" for n, value in changed.items()]
    _say(
        "\nNothing else has changed. Each trial is one short training; to train every hybrid arm "
        f"with these settings and compare:\ndvc exp run -S tune.n_trials=0 {' '.join(options)}"
    )


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else _yaml(value)


def _yaml(value: Any) -> str:
    """Write a setting as params.yaml and `dvc exp run -S` take it, exactly."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple | list) else repr(value)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
