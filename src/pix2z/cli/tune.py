"""``pix2z tune``: a long search for settings, beside the pipeline."""

import logging
import shlex
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.display import console, plain, say, say_in_words, table
from pix2z.errors import InputError, Pix2zError
from pix2z.process import one_line_if_interrupted

if TYPE_CHECKING:
    from pix2z.config.networks import HybridConfig
    from pix2z.config.pdf import PdfConfig
    from pix2z.config.tune import TuneConfig
    from pix2z.tuning.trials import StudyResult, Trial

__all__ = ["tune"]

STUDIES = Path(".studies")


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

    The study begins with the settings of params.yaml. MLflow shows it as it
    grows. What was interrupted goes on with the same command, also with more
    trials. Nothing of the pipeline changes; in the end the command that would
    use the best settings is printed.
    """
    from pix2z.tracking.checkout import repository_root

    with chdir(repository_root()):
        _search(_study(trials, epochs, storage))


def _search(study: "_Study") -> None:
    """Search, and show what came of it."""
    from pix2z.tuning.report import write_study

    trials = study.tune.n_trials
    say(f"study {study.name}, {trials} trials of at most {study.tune.epochs} epochs")
    kept = "finished trials are kept, the same command goes on"
    with one_line_if_interrupted(lambda: kept):
        result = _run(study)
    write_study(study.report, result)
    _show_result(result, study.hybrid.model_dump())
    say_in_words(f"All trials: {study.report}; MLflow: experiment pix2z-tune.")
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
    from pix2z.config.networks import HybridConfig
    from pix2z.config.pdf import PdfConfig
    from pix2z.config.tune import TuneConfig
    from pix2z.tuning.hybrid import GALAXIES, ROWS, study_key

    tune, hybrid, pdf = TuneConfig.read(), HybridConfig.read(), PdfConfig.read()
    tune = tune.model_copy(update={"n_trials": trials, "epochs": epochs or tune.epochs})
    for path in (GALAXIES, ROWS):
        if not path.is_file():
            raise InputError(f"{path}: missing; `dvc repro split` makes it")
    # A journal of its own: that of the stage `tune` must hold the trials of that stage alone.
    folder = STUDIES / study_key(tune, hybrid, pdf, of="pix2z tune")
    folder.mkdir(parents=True, exist_ok=True)
    return _Study(tune, hybrid, pdf, folder, storage)


def _run(study: _Study) -> "StudyResult":
    """Train; a study in a database is shared by processes, so that each trains one at a time."""
    from pix2z.config.compute import ComputeConfig
    from pix2z.tuning.hybrid import hybrid_trials
    from pix2z.tuning.shared import open_storage, run_shared_study
    from pix2z.tuning.space import HYBRID_SPACE
    from pix2z.tuning.study import run_study

    wanted: dict[str, Any] = {
        "n_trials": study.tune.n_trials,
        "seed": study.tune.seed,
        "space": HYBRID_SPACE,
        "baseline": study.hybrid.model_dump(),
        "on_trial": _shown_after_each(study),
    }
    database = open_storage(study.storage) if study.storage else None
    processes = 1 if database else ComputeConfig.read().processes
    with hybrid_trials(study.tune, study.hybrid, study.pdf, processes=processes) as train:
        if database:
            return run_shared_study(storage=database, name=study.name, train_trials=train, **wanted)
        journal = study.folder / "journal.json"
        with _alone(study.folder):
            return run_study(journal=journal, batch=study.tune.batch, train_trials=train, **wanted)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock, which goes with its holder; raise Pix2zError where another process has it."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout as error:
        raise Pix2zError(
            f"{folder}: another pix2z tune works on this study; several can share one "
            "that is in a database (--storage)"
        ) from error


def _shown_after_each(study: _Study) -> "Callable[[Trial, StudyResult], None]":
    """Return what shows the study after a trial: a line, files, and MLflow until that fails."""
    from pix2z.tuning.report import write_study

    store_failed = False

    def show(trial: "Trial", result: "StudyResult") -> None:
        nonlocal store_failed
        n = len(result.trials)
        say(f"trial {trial.number} ({n} of {study.tune.n_trials}): {trial.words}")
        write_study(study.report, result)
        if not store_failed:
            try:
                _register(study)
            except Pix2zError as error:
                store_failed = True
                typer.echo(f"warning: {error}; once more at the end", err=True)

    return show


def _register(study: _Study) -> None:
    from pix2z.tracking.register import register_study  # imports MLflow, which sets its own level
    from pix2z.tuning.hybrid import GALAXIES

    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    register_study(study.report, name=study.name, galaxies=str(GALAXIES), root=Path())


def _show_result(result: "StudyResult", baseline: dict[str, Any]) -> None:
    """Print the best settings beside those of params.yaml, and the command that uses them."""
    settings = result.best_settings
    changed = {name: value for name, value in settings.items() if value != baseline[name]}
    if result.best_trial is None or not changed:
        say("No trial was better than the settings of params.yaml.")
        return
    losses = {trial.number: trial.validation_loss for trial in result.trials}
    headings = ("params.yaml", f"trial {result.best_trial}")
    shown = table("", *headings, right=headings)
    for name, value in settings.items():
        shown.add_row(name, plain(_short(baseline[name])), plain(_short(value)))
    shown.add_row("validation loss", _short(losses.get(0)), _short(losses[result.best_trial]))
    say("")
    console().print(shown)
    options = [f"-S {shlex.quote(f'hybrid.{n}={_yaml(value)}')}" for n, value in changed.items()]
    say(
        "\nNothing else has changed. Each trial is one short training; to train every hybrid\n"
        f"arm with these settings and compare:\ndvc exp run -S tune.n_trials=0 {' '.join(options)}"
    )


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else _yaml(value)


def _yaml(value: Any) -> str:
    """Write a setting as params.yaml and `dvc exp run -S` take it, exactly."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple | list) else repr(value)
