"""reports/tuning/ -> one record per study and one per trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pix2z.files import read_json, text_digest
from pix2z.tracking.record import RunRecord, as_params

__all__ = ["tuning_records"]


def tuning_records(folder: Path) -> list[RunRecord]:
    """Return the study and then its trials; nothing where no trial was run."""
    path = folder / "trials.json"
    study = read_json(path)
    trials = study["trials"]
    if not trials:
        return []
    ended = path.stat().st_mtime
    key = text_digest(*(f"{t['settings']} {t['curve']}" for t in trials))
    seconds = sum(trial["seconds"] for trial in trials)
    parent = RunRecord(
        key=key,
        name=f"study of {len(trials)} trials",
        description=_words(study),
        started=ended - seconds,
        seconds=seconds,
        tags={"stage": "tune", "kind": "study", "architecture": "hybrid"},
        params=as_params(
            {f"best.{k}": v for k, v in read_json(folder / "best_params.json").items()}
        ),
        metrics={
            "best_val_loss": trials[study["best_trial"]]["validation_loss"],
            "baseline_val_loss": trials[0]["validation_loss"],
            "n_trials": len(trials),
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
                metrics=_final_loss(trial),
                curves={"val_loss": [(int(e), loss) for e, loss in trial["curve"].items()]},
            )
        )
        started += trial["seconds"]
    return records


def _name(number: int, *, best: bool) -> str:
    name = "baseline" if number == 0 else f"trial {number}"
    return f"{name} (best)" if best else name


def _final_loss(trial: Mapping[str, Any]) -> dict[str, float]:
    loss = trial["validation_loss"]
    return {} if loss is None else {"best_val_loss": loss}


def _words(study: Mapping[str, Any]) -> str:
    trials = study["trials"]
    pruned = sum(trial["state"] == "pruned" for trial in trials)
    best = trials[study["best_trial"]]
    return (
        f"{len(trials)} short trainings of the hybrid network with different settings, {pruned} of "
        "them stopped early because they fell behind. Trial 0, the baseline, has the settings of "
        f"params.yaml: validation loss {trials[0]['validation_loss']:.4f}; the best, "
        f"{_name(best['number'], best=False)}, reached {best['validation_loss']:.4f}. Its settings "
        "train every hybrid arm alike. Learning curves: select the trials, then Compare."
    )
