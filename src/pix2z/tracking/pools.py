"""Pools of redshift networks, arms and fine-tuned models, read from their files.

::

    models/ARM           reports/metrics/ARM.json      predictions/ARM
    finetuned/NAME       finetuned/NAME/report.json    finetuned/NAME/predictions, base_predictions

Each network has a run with its learning curves. The run of the pool owns the version, and carries
the predictions on which the gate of a promotion rests.
"""

import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2z.config.arms import Arm
from pix2z.errors import InputError, IntegrityError
from pix2z.files import read_json, text_digest
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, in_words
from pix2z.redshift_pdf.predictions import PART_FILES, PARTS_INDEX, part_file
from pix2z.tracking.promotion.gate import ERRORS
from pix2z.tracking.records import TRAININGS, RunRecord, as_params, numbers
from pix2z.tracking.served_forms import POOL
from pix2z.tracking.trainings import (
    ENDS,
    INPUT,
    SEED_METRICS,
    SELECTIONS,
    TrainedModel,
    as_training,
    data_tags,
    galaxies_words,
    run_name,
)

__all__ = ["finetuned_run_name", "read_arm", "read_finetuned"]

LOG = logging.getLogger(__name__)

_ARCHITECTURES = {
    "hybrid": "photometry inside the network beside a small convolutional trunk, into a PDF",
    "apertures": "photometry in all apertures inside the network, no trunk, into a PDF",
    "catalogue": "five magnitudes in one aperture and E(B-V), into a PDF",
    "published_cnn": "the published 421,725-parameter CNN with its own recipe",
}

_DESCRIPTION = f"""\
Redshifts of galaxies from five-band images, by the {{what}}

{INPUT}

**Output:** a row per galaxy: z_best, z_median, z_mean, z_mode, limits of the central 68 and \
95 % intervals; pix2z_flags, a sum of bits ({in_words(IMAGE_FLAG_MEANINGS)})."""


def read_arm(root: Path, name: str, arm: Arm, *, commit: str) -> TrainedModel:
    """Read the pool of an arm, its metrics, figures and predictions.

    Parameters
    ----------
    commit : the first that holds the models of all arms as they are, or ''.

    Raises
    ------
    InputError
        A file cannot be read, or is of an earlier version; the message names it.
    """
    folder, report = root / "models" / name, root / "reports/metrics" / f"{name}.json"
    measured = read_json(report) if report.exists() else {}
    settings = {"architecture": arm.architecture, "selection": arm.selection}
    data = data_tags(root, _inputs(folder))
    tags = {"stage": "train", "arm": name, **settings, **data}
    seeds = {seed: _test_metrics(subsets) for seed, subsets in measured.get("seeds", {}).items()}
    what = (
        f"arm **{name}**: trained on {SELECTIONS[arm.selection]}; architecture "
        f"{arm.architecture} ({_ARCHITECTURES[arm.architecture]})."
    )
    test, predictions = tags.get("test_digest", ""), root / "predictions" / name
    trainings = _training_runs(folder, tags, seeds, commit)
    pool = _pool_run(
        folder,
        trainings,
        description=what,
        tags={**tags, "registered_model": f"pix2z-{name}"},
        params=settings,
        metrics=_test_metrics(measured.get("pool", {})),
        artifacts={
            **dict.fromkeys(_figures(root / "reports/figures", name), "figures"),
            **_predictions(predictions, pool=_digest(folder), test=test),
        },
        commit=commit,
    )
    return TrainedModel(
        name=f"pix2z-{name}",
        form=POOL,
        folder=folder,
        digest=pool.key,
        runs=(*trainings, pool),
        description=_DESCRIPTION.format(what=what),
        data=galaxies_words(root),
        measured="On all test galaxies, and on those inside the clip window, in redshift units",
        limits={end: _test_metrics(measured.get("pool", {}), end) for end in ENDS},
        command="train",
    )


def _figures(folder: Path, arm: str) -> list[Path]:
    """Figures of this arm alone, and those that show all arms side by side."""
    names = (f"errors_{arm}", "training_curves", "redshift_density", "pit")
    return [path for name in names if (path := folder / f"{name}.png").exists()]


def _test_metrics(subsets: Mapping[str, Any], of: str = "value") -> dict[str, float]:
    """``test/<metric>`` on the whole test set, ``test_inside/<metric>`` inside the clip window."""
    whole, inside = subsets.get("whole", {}), subsets.get("inside", {})
    return _named("test", whole, of) | _named("test_inside", inside, of)


def _compared_metrics(versions: Mapping[str, Any], of: str = "value") -> dict[str, float]:
    """``test/<metric>`` of a fine-tuned model, and what its base has on the same galaxies."""
    metrics: dict[str, float] = {}
    for prefix, version in (("test", "tuned"), ("base", "base"), ("recalibrated", "recalibrated")):
        metrics |= _named(prefix, versions.get(version, {}), of)
    return metrics


def _named(prefix: str, metrics: Mapping[str, Any], of: str = "value") -> dict[str, float]:
    return {f"{prefix}/{metric}": value for metric, value in numbers(metrics, of).items()}


def finetuned_run_name(name: str) -> str:
    """Return what the runs of a fine-tuned model are called by."""
    return f"finetune {name}"


def read_finetuned(folder: Path) -> TrainedModel:
    """Read what the files of a fine-tuned model or of a student say, finetuned/NAME.

    Raises
    ------
    InputError
        A file cannot be read, or report.json is of another pool.
    """
    report = read_json(folder / "report.json")
    if report["pool_digest"] != _digest(folder):
        raise InputError(f"{folder}: report.json is of another pool; repeat pix2z finetune")
    name, base, data, n = (report[key] for key in ("name", "base", "data", "n"))
    is_student = report.get("distilled", False)
    tags = {
        "stage": "student" if is_student else "finetune",
        "arm": name if is_student else finetuned_run_name(name),
        "architecture": "hybrid",
        "raw_digest": f"sha256:{data['sha256']}",
        **{key: data[key] for key in ("galaxies_digest", "split_digest", "test_digest")},
        "base_pool_digest": base["pool_digest"],
    }
    parent = f"the pool of {base['model']} (digest {base['pool_digest'][:12]})"
    learned = f"on {n['train']:,} galaxies of {data['file']}."
    if is_student:
        what = f"student **{name}**: one network that learned the PDFs of {parent} {learned}"
        command = ["python", "-m", "pix2z.stages.student", "--parent", base["model"]]
    else:
        what = f"fine-tuned model **{name}**: {parent}, which went on training {learned}"
        given = ["--sky", *data["frames"]] if data.get("frames") else [data["file"]]
        command = ["pix2z", "finetune", *given, "--name", name, "--model", base["model"]]
    metrics, test = report["metrics"], data["test_digest"]
    seen = report.get("seen_before", {}).get("words", "")  # a student has the parts of its pool
    seeds = {seed: _named("test", values) for seed, values in report["seeds"].items()}
    trainings = _training_runs(folder, tags, seeds, commit="")
    pool = _pool_run(
        folder,
        trainings,
        description=f"{what}\n\n{report['verdict']} {seen}".strip(),
        tags={**tags, "registered_model": f"pix2z-{name}"},
        params=as_params({"base": base["model"], "file": data["file"], **report["settings"]}),
        metrics={**_compared_metrics(metrics), **_named("n", n)},
        artifacts={
            folder / "report.json": "",
            **_predictions(folder / "predictions", pool=report["pool_digest"], test=test),
            **_predictions(
                folder / "base_predictions", pool=base["pool_digest"], test=test, base=True
            ),
        },
    )
    return TrainedModel(
        name=f"pix2z-{name}",
        form=POOL,
        folder=folder,
        digest=pool.key,
        runs=(*trainings, pool),
        description=_DESCRIPTION.format(what=what),
        data=f"Trained and tested on {data['source']}. " if data["source"] else "",
        measured=(
            f"On {n['test']:,} galaxies of {data['file']} that neither training nor calibration "
            "used, in redshift units"
        ),
        limits={end: _compared_metrics(metrics, end) for end in ENDS},
        command=shlex.join(command),
        is_stage=False,
    )


def _predictions(folder: Path, *, pool: str, test: str, base: bool = False) -> dict[Path, str]:
    """Files of predictions -> their folder among the artifacts; none where they are not those.

    Parameters
    ----------
    pool, test : digests of the pool, and of the test galaxies.
    base : whether the pool is the one that was fine-tuned.
    """
    if not (folder / PARTS_INDEX).exists():
        return {}
    try:
        files = [part_file(folder, p, pool_digest=pool, test_digest=test) for p in PART_FILES]
    except (InputError, IntegrityError) as error:
        LOG.warning("not registered: %s", error)
        return {}
    kind = "base_predictions" if base else "predictions"
    return dict.fromkeys([*files, folder / PARTS_INDEX], kind)


def _digest(folder: Path) -> str:
    return str(read_json(folder / "pool.json")["digest"])


def _estimators(folder: Path) -> dict[str, Any]:
    """Read estimator.json of every network of a pool, by the name of its folder."""
    members = read_json(folder / "pool.json")["members"]
    return {member: read_json(folder / member / "estimator.json") for member in members}


def _inputs(folder: Path) -> Mapping[str, str]:
    """Digests of the files that an arm was trained on: its networks share them.

    Raises InputError where they are not recorded, as in the first versions of pix2z.
    """
    member, saved = next(iter(_estimators(folder).items()))
    inputs: Mapping[str, str] | None = saved["record"].get("inputs")
    if inputs is None:
        raise InputError(
            f"{folder / member / 'estimator.json'}: does not say what it was trained on, since an "
            "earlier version wrote it; repeat its training"
        )
    return inputs


def _training_runs(
    folder: Path, tags: Mapping[str, str], metrics: Mapping[str, Mapping[str, float]], commit: str
) -> tuple[RunRecord, ...]:
    """Return the record of each network of a pool.

    Parameters
    ----------
    tags : of each; `arm` is what the runs are called by.
    metrics : seed -> metrics of that network alone, as they are named in the store.
    """
    arm, runs = tags["arm"], []
    for member, saved in _estimators(folder).items():
        seed, training_key = saved["record"]["seed"], saved["record"]["training_key"]
        # Fine-tuning may keep the weights it began with, whatever the galaxies were.
        distinct = [training_key] if tags["stage"] == "finetune" else []
        record = RunRecord(
            key=text_digest(arm, member, saved["weights_sha256"], *distinct),
            experiment=TRAININGS,
            name=run_name(arm, seed),
            description=(
                "Metrics named test/ are of this network alone; what counts is the pool, in the "
                f"run *{arm}, pool*."
            ),
            tags=tags,
            params=as_params({key: saved[key] for key in ("architecture", "grid", "settings")}),
            metrics=metrics.get(str(seed), {}),
            artifacts={folder / member / "estimator.json": ""},
            commit=commit,
        )
        runs.append(as_training(record, folder / member, saved))
    return tuple(runs)


def _pool_run(
    folder: Path,
    trainings: Sequence[RunRecord],
    *,
    description: str,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    artifacts: Mapping[Path, str],
    commit: str = "",
) -> RunRecord:
    """Return the record of a pool: what all pools share is added to what the caller knows."""
    saved = read_json(folder / "pool.json")
    calibration = saved["calibration"]
    seeds = ", ".join(training.tags["seed"] for training in trainings)
    weights = {f"seed-{t.tags['seed']}": t.tags["weights_digest"] for t in trainings}
    words = f"Pool (mean of the PDFs, then calibrated) of seeds {seeds} of the"
    return RunRecord(
        key=saved["digest"],
        experiment=TRAININGS,
        name=f"{tags['arm']}, pool",
        description=f"{words} {description}",
        started=(folder / "pool.json").stat().st_mtime,
        tags={
            **tags,
            "kind": "pool",
            "pool_digest": saved["digest"],
            "weights_digests": json.dumps(weights),
            **_seed_metrics(trainings),
        },
        params={**params, "calibration": calibration["kind"], "seeds": seeds},
        metrics={
            **numbers(calibration),
            "cpu_seconds": round(sum(t.metrics["cpu_seconds"] for t in trainings), 1),
            **metrics,
        },
        artifacts={folder / "pool.json": "", **artifacts},
        commit=commit,
    )


def _seed_metrics(trainings: Sequence[RunRecord]) -> dict[str, str]:
    """Return what each seed alone reached on the test galaxies, where all were measured."""
    measured = {
        metric: [t.metrics[f"test/{metric}"] for t in trainings if f"test/{metric}" in t.metrics]
        for metric in ERRORS
    }
    whole = {metric: values for metric, values in measured.items() if len(values) == len(trainings)}
    return {SEED_METRICS: json.dumps(whole)} if whole else {}
