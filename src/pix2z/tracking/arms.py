"""Arms and fine-tuned models, read from their files.

::

    models/ARM           reports/metrics/ARM.json      predictions/ARM
    finetuned/NAME       finetuned/NAME/report.json    finetuned/NAME/predictions, base_predictions

Both are pools of redshift networks (`pools`). The run of a pool carries its predictions, on which
the gate of a promotion rests.
"""

import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pix2z.config.arms import Arm
from pix2z.errors import InputError
from pix2z.files import file_digest, read_json
from pix2z.tracking.pools import Pool, first_estimator, pool_digest, pool_model
from pix2z.tracking.records import as_params, numbers
from pix2z.tracking.trainings import GALAXIES, SELECTIONS, TrainedModel, data_tags, galaxies_words

__all__ = ["finetuned_run_name", "read_arm", "read_finetuned"]

LOG = logging.getLogger(__name__)

_ARCHITECTURES = {
    "hybrid": "photometry inside the network beside a small convolutional trunk, into a PDF",
    "published_cnn": "the published 421,725-parameter CNN with its own recipe",
}

_MEASURED = "On all test galaxies, and on those inside the clip window, in redshift units:"

_FINETUNED_METRICS = {"tuned": "test", "base": "base", "recalibrated": "recalibrated"}
"""Estimator in report.json -> what its metrics begin with in the store."""


def read_arm(root: Path, name: str, arm: Arm) -> TrainedModel:
    """Read the pool of an arm, its metrics, figures and predictions.

    Raises
    ------
    InputError
        A file cannot be read; the message names it.
    """
    folder, split = root / "models" / name, f"data/splits/{arm.selection}.h5"
    inputs = first_estimator(folder)["record"].get("inputs", {})
    data = data_tags(root, inputs, {"galaxies": GALAXIES, "split": split})
    report = root / "reports/metrics" / f"{name}.json"
    metrics = read_json(report) if report.exists() else {}
    words = _ARCHITECTURES[arm.architecture]
    return pool_model(
        Pool(
            name=name,
            model=f"pix2z-{name}",
            stage="train",
            what="arm",
            sentence=(
                f"**{name}**: trained on {SELECTIONS[arm.selection]}; architecture "
                f"{arm.architecture} ({words})."
            ),
            folder=folder,
            tags={
                "arm": name,
                "selection": arm.selection,
                "architecture": arm.architecture,
                **data,
            },
            params={"architecture": arm.architecture, "selection": arm.selection},
            seed_metrics={
                seed: _test_metrics(subsets) for seed, subsets in metrics.get("seeds", {}).items()
            },
            pool_metrics=_test_metrics(metrics.get("pool", {})),
            measured=_MEASURED,
            beside={"test_inside": "inside"},
            artifacts={
                **dict.fromkeys(_figures(root / "reports/figures", name), "figures"),
                **_predictions(root / "predictions" / name, of=pool_digest(folder)),
            },
            galaxies=galaxies_words(root),
            command=f"train@{name}",
            out=f"models/{name}",
            is_clipped=arm.selection == "clipped",
        )
    )


def _figures(folder: Path, arm: str) -> list[Path]:
    """Figures of this arm alone, and those that show all arms side by side."""
    names = (f"errors_{arm}", "training_curves", "redshift_density", "pit")
    return [path for name in names if (path := folder / f"{name}.png").exists()]


def _test_metrics(subsets: Mapping[str, Any]) -> dict[str, float]:
    """``test/<metric>`` on the whole test set, ``test_inside/<metric>`` inside the clip window."""
    return {
        f"{prefix}/{name}": value
        for subset, prefix in (("whole", "test"), ("inside", "test_inside"))
        for name, value in numbers(subsets.get(subset, {})).items()
    }


def finetuned_run_name(name: str) -> str:
    """Return what the runs of a fine-tuned model are called by."""
    return f"finetune {name}"


def read_finetuned(folder: Path) -> TrainedModel:
    """Read what the files of a fine-tuned model say, finetuned/NAME.

    Raises
    ------
    InputError
        A file cannot be read, or report.json is of another pool.
    """
    report = read_json(folder / "report.json")
    if report["pool_digest"] != pool_digest(folder):
        raise InputError(f"{folder}: report.json is of another pool; repeat pix2z finetune")
    name, base, data, n = (report[key] for key in ("name", "base", "data", "n"))
    metrics = {
        f"{prefix}/{metric}": value
        for estimator, prefix in _FINETUNED_METRICS.items()
        for metric, value in numbers(report["metrics"][estimator]).items()
    }
    return pool_model(
        Pool(
            name=finetuned_run_name(name),
            model=f"pix2z-{name}",
            stage="finetune",
            what="fine-tuned model",
            sentence=(
                f"**{name}**: the pool of {base['model']} (digest {base['pool_digest'][:12]}), "
                f"which went on training on {n['train']:,} galaxies of {data['file']}."
            ),
            folder=folder,
            tags={
                "arm": finetuned_run_name(name),
                "architecture": "hybrid",
                "raw_digest": f"sha256:{data['sha256']}",
                "galaxies_digest": data["galaxies_digest"],
                "split_digest": data["split_digest"],
                "test_digest": data["test_digest"],
                "base_pool_digest": base["pool_digest"],
            },
            params=as_params({"base": base["model"], "file": data["file"], **report["settings"]}),
            seed_metrics={
                seed: {f"test/{metric}": value for metric, value in numbers(values).items()}
                for seed, values in report["seeds"].items()
            },
            pool_metrics={**metrics, **{f"n/{part}": float(rows) for part, rows in n.items()}},
            measured=(
                f"On {n['test']:,} galaxies of {data['file']} that neither training nor "
                "calibration used, in redshift units:"
            ),
            beside={"base": "base", "recalibrated": "base recalibrated"},
            artifacts={
                folder / "report.json": "",
                **_predictions(folder / "predictions", of=report["pool_digest"]),
                **_predictions(folder / "base_predictions", of=base["pool_digest"]),
            },
            galaxies=f"Trained and tested on {data['source']}. " if data["source"] else "",
            command=shlex.join(
                ["pix2z", "finetune", data["file"], "--name", name, "--model", base["model"]]
            ),
            remark=f"{report['verdict']} {report['seen_before']['words']}",
            distinct=(report["training_key"],),
        )
    )


def _predictions(folder: Path, *, of: str) -> dict[Path, str]:
    """Files of predictions -> their folder among the artifacts; none where they are not of a pool.

    Parameters
    ----------
    folder : with predictions.json, which names the digests of the pool and of each file.
    of : digest of the pool.
    """
    index = folder / "predictions.json"
    if not index.exists():
        return {}
    said = read_json(index)
    parts = {folder / part["file"]: part["sha256"] for part in said["parts"].values()}
    if said["pool_digest"] != of:
        LOG.warning("%s: not registered; it is of another pool than the networks are", index)
        return {}
    altered = [path for path, sha256 in parts.items() if file_digest(path) != sha256]
    if altered:
        LOG.warning("%s: not registered; it is not the file that %s names", altered[0], index)
        return {}
    kind = "base_predictions" if folder.name == "base_predictions" else "predictions"
    return dict.fromkeys([*parts, index], kind)
