"""reports/tuning/ -> one record per study and one per trial."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2z.files import read_json, text_digest
from pix2z.tracking.record import RunRecord, as_params, numbers

__all__ = ["tuning_records"]


def tuning_records(folder: Path, *, galaxies_digest: str) -> list[RunRecord]:
    """Return the study and then its trials; nothing where no trial was run."""
    path = folder / "trials.json"
    study = read_json(path)
    trials = study["trials"]
    if not trials:
        return []
    best = None if study["best_trial"] is None else trials[study["best_trial"]]
    ended = path.stat().st_mtime
    key = text_digest(*(f"{t['settings']} {t['curve']}" for t in trials))
    seconds = sum(trial["seconds"] for trial in trials)
    parent = RunRecord(
        key=key,
        name=f"study of {len(trials)} trials",
        description=_words(trials, best),
        started=ended - seconds,
        seconds=seconds,
        tags={
            "stage": "tune",
            "kind": "study",
            "architecture": "hybrid",
            "galaxies_digest": galaxies_digest,
        },
        params=as_params(
            {f"best.{k}": v for k, v in read_json(folder / "best_params.json").items()}
        ),
        metrics={
            **numbers({"baseline_val_loss": trials[0]["validation_loss"], "n_trials": len(trials)}),
            **numbers({"best_val_loss": best["validation_loss"]} if best else {}),
            **{f"importance/{name}": share for name, share in study["importances"].items()},
        },
        artifacts={
            path: "",
            folder / "best_params.json": "",
            **{figure: "figures" for figure in sorted(folder.glob("*.png"))},
        },
    )
    return [parent, *_trials(study, key, parent.started)]


def _trials(study: Mapping[str, Any], study_key: str, started: float) -> list[RunRecord]:
    records = []
    for trial in study["trials"]:
        best = trial["number"] == study["best_trial"]
        records.append(
            RunRecord(
                key=text_digest(study_key, str(trial["number"])),
                parent_key=study_key,
                name=_name(trial["number"], best=best),
                description=f"{trial['state'].capitalize()} after {len(trial['curve'])} epochs.",
                started=started,
                seconds=trial["seconds"],
                tags={"stage": "tune", "kind": "trial", "state": trial["state"]},
                params=as_params(trial["settings"]),
                metrics=numbers({"best_val_loss": trial["validation_loss"]}),
                curves={"curves/val_loss": [(int(e), loss) for e, loss in trial["curve"].items()]},
            )
        )
        started += trial["seconds"]
    return records


def _name(number: int, *, best: bool) -> str:
    name = "baseline" if number == 0 else f"trial {number}"
    return f"{name} (best)" if best else name


def _words(trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any] | None) -> str:
    pruned = sum(trial["state"] == "pruned" for trial in trials)
    words = (
        f"{len(trials)} short trainings of the hybrid network with different settings, {pruned} of "
        "them stopped early because they fell behind. Trial 0, the baseline, has the settings of "
        "params.yaml. "
    )
    if best is None:
        return words + "No trial reached a finite loss: the settings of params.yaml are kept."
    return words + (
        f"The lowest validation loss, {best['validation_loss']:.4f}, is that of trial "
        f"{best['number']}; its settings train every hybrid arm alike. For the learning curves, "
        "select the trials and choose Compare."
    )
