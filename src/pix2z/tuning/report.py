"""What a study leaves for people and for the next stage: two JSON files and two figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pix2z.files import atomic_path, write_json
from pix2z.tuning.trials import StudyResult, Trial

__all__ = ["write_study"]


def write_study(folder: str | Path, result: StudyResult) -> None:
    """Write best_params.json, trials.json, history.png and importance.png.

    best_params.json holds the settings and nothing else, so that a study which finds the same
    settings again retrains nothing.
    """
    folder = Path(folder)
    write_json(folder / "best_params.json", result.best_settings)
    trials = {
        "best_trial": result.best_trial,
        "importances": result.importances,
        "trials": [asdict(trial) for trial in result.trials],
    }
    write_json(folder / "trials.json", trials)
    with style.context("default"):  # of a user's matplotlibrc, nothing
        _plot_history(result.trials, result.best_trial, folder / "history.png")
        _plot_importances(result.importances, folder / "importance.png")


def _plot_history(trials: Sequence[Trial], best_trial: int | None, path: Path) -> None:
    """Plot validation loss against epoch, a line per trial; the baseline and the best named."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for trial in trials:
        axes.plot(
            [epoch + 1 for epoch in trial.curve],
            list(trial.curve.values()),
            marker="o" if trial.state == "complete" else "x",
            **_style(trial.number, best_trial),
        )
    axes.set(xlabel="epoch", ylabel="validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"{len(trials)} trials, crosses: pruned" if trials else "no study was run")
    if trials:
        axes.legend(frameon=False)
    _save(figure, path)


def _style(number: int, best_trial: int | None) -> dict[str, Any]:
    """Colour and name of a line: the best, the baseline, and all others."""
    if number == best_trial:
        name = "baseline" if number == 0 else f"trial {number}"
        return {"color": "tab:red", "label": f"{name} (best)", "zorder": 3}
    return {"color": "black", "label": "baseline"} if number == 0 else {"color": "0.7"}


def _plot_importances(importances: Mapping[str, float], path: Path) -> None:
    """Plot the share of the loss's variance that each setting explains, the largest on top."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(importances.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ordered], [share for _, share in ordered], color="tab:blue")
    axes.set(xlabel="share of the variance of the validation loss (fANOVA)", xlim=(0, None))
    if not importances:
        axes.set_title("too few complete trials to tell")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=120, metadata={"Software": None})
