"""Studies of hyperparameters: a run per study, and one per trial below it.

The stage `tune` leaves its study in reports/tuning, `pix2z tune` in a folder of its own, which is
registered after every trial.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pix2z.files import read_json, text_digest
from pix2z.tracking.records import TUNING, RunRecord, as_params, numbers

__all__ = ["study_runs"]

_COMMAND = "pix2z.cli.tune"
_USED_BY_STAGE = "train every hybrid arm alike"
_USED_BY_TUNE = "train nothing by themselves: `pix2z tune` prints the command that uses them"


def study_runs(
    folder: Path, tags: Mapping[str, str], *, study_name: str | None = None, commit: str = ""
) -> list[RunRecord]:
    """Return the study and then its trials; nothing where no trial was run.

    Parameters
    ----------
    folder : with trials.json, best_params.json and figures.
    tags : digests of the data that it was trained on.
    study_name : of a study of `pix2z tune`, which may still grow: it stays one run all the same.
        Without, the study is that of the pipeline, and other trials make another one.
    commit : that holds the files, if one does.
    """
    path = folder / "trials.json"
    study = read_json(path) if path.exists() else {"trials": []}
    trials = study["trials"]
    if not trials:
        return []
    by_number = {trial["number"]: trial for trial in trials}
    baseline, best = by_number.get(0), by_number.get(study["best_trial"])
    key = study_name or text_digest(*(f"{t['settings']} {t['curve']}" for t in trials))
    settings = as_params({"best": read_json(folder / "best_params.json")})
    # What grows may change its mind, which tags can and parameters cannot.
    named = {"study": study_name, "mlflow.source.name": _COMMAND} if study_name else {}
    seconds = sum(trial["seconds"] for trial in trials)
    started = path.stat().st_mtime - seconds
    parent = RunRecord(
        key=key,
        experiment=TUNING,
        name=f"{'pix2z tune' if study_name else 'study'} of {len(trials)} trials",
        description=_words(best, _USED_BY_TUNE if study_name else _USED_BY_STAGE),
        started=started,
        seconds=seconds,
        tags={
            "stage": "tune",
            "kind": "study",
            "architecture": "hybrid",
            **tags,
            **named,
            **(settings if study_name else {}),
        },
        params={} if study_name else settings,
        metrics={
            "n_trials": len(trials),
            **numbers({"baseline_val_loss": baseline and baseline["validation_loss"]}),
            **numbers({"best_val_loss": best and best["validation_loss"]}),
            **{f"importance/{name}": share for name, share in study["importances"].items()},
        },
        artifacts={
            path: "",
            folder / "best_params.json": "",
            **dict.fromkeys(sorted(folder.glob("*.png")), "figures"),
        },
        commit=commit,
    )
    return [parent, *_trials(study, parent, named)]


def _trials(
    study: Mapping[str, Any], parent: RunRecord, named: Mapping[str, str]
) -> list[RunRecord]:
    records, started = [], parent.started
    for trial in study["trials"]:
        number, curve = trial["number"], trial["curve"]
        name = f"trial {number}" if number else "baseline"
        # Studies with one name: their database may be emptied and filled anew.
        distinct = [str(trial["settings"])] if named else []
        records.append(
            RunRecord(
                key=text_digest(parent.key, str(number), *distinct),
                parent_key=parent.key,
                experiment=TUNING,
                name=f"{name} (best)" if number == study["best_trial"] else name,
                description=f"{trial['state'].capitalize()} after {len(curve)} epochs.",
                started=started,
                seconds=trial["seconds"],
                tags={"stage": "tune", "kind": "trial", "state": trial["state"], **named},
                params=as_params(trial["settings"]),
                metrics=numbers({"best_val_loss": trial["validation_loss"]}),
                curves={"curves/val_loss": [(int(e), loss) for e, loss in curve.items()]},
                commit=parent.commit,
            )
        )
        started += trial["seconds"]
    return records


def _words(best: Mapping[str, Any] | None, used: str) -> str:
    if best is None:
        return "No trial reached a finite loss: the settings of params.yaml are kept."
    return (
        f"The lowest validation loss, {best['validation_loss']:.4f}, is that of trial "
        f"{best['number']}; its settings {used}. Trial 0, the baseline, has those of params.yaml. "
        "For the learning curves, select the trials and choose Compare."
    )
