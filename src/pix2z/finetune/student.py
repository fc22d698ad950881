"""One network that has learned the PDFs of a pool: how it is trained, and what that cost.

It is saved as a fine-tuned model is, finetuned/NAME, with the pool that taught it as its base: the
registry takes it, and the gate holds it against its base, as any other candidate.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.student import StudentConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.errors import InputError
from pix2z.evaluation.metric_names import METRICS, format_value
from pix2z.files import read_json, write_json
from pix2z.finetune.base import BasePool, check_base
from pix2z.finetune.report import compared_metrics, predict_both, report_head
from pix2z.finetune.training import finetune_pool, provenance, taught_by
from pix2z.network.arm import Curve
from pix2z.network.distillation import write_soft_targets
from pix2z.network.estimator import Member, load_pool

__all__ = ["distil", "student_record", "write_student_report"]

Json = dict[str, Any]


def student_record(
    base: BasePool, settings: StudentConfig, *, name: str, galaxies: Path, rows: Path, source: str
) -> Json:
    """Return what a student keeps of where it comes from, as `provenance` and ``inputs``.

    Parameters
    ----------
    name : of the student.
    galaxies, rows : galaxies.h5 and the split that trained the base.
    source : what the galaxies are, in words, as galaxies.h5 has them.

    Raises
    ------
    InputError
        The base is no pool of hybrids, or was trained on other galaxies or rows: those that test
        the student may then have trained it.
    """
    check_base(base)
    code = ("finetune/student.py", "finetune/training.py")
    taught = taught_by(galaxies, rows, settings.model_dump(mode="json"), *code)
    of_base = base.record.get("inputs", {})
    for path, key in ((galaxies, "galaxies_sha256"), (rows, "split_sha256")):
        if of_base.get(key) != taught[key]:
            raise InputError(f"{path}: not what {base.folder} was trained on, as its record says")
    return {
        **provenance(base, name, taught),
        "selection": base.record["selection"],
        "trained_on": source,
        "inputs": taught,
    }


def distil(
    base: BasePool,
    galaxies: Galaxies,
    split: Split,
    *,
    settings: StudentConfig,
    folder: Path,
    checkpoints: Path,
    record: Mapping[str, Any],
    curve: Callable[[int], Curve],
) -> None:
    """Let one network of a pool learn what the pool says, and save it as a pool of one.

    It is the one with the lowest loss on validation rows. Training rows teach, validation rows
    choose the epoch, calibration rows fit the temperatures; test rows are not read here.

    Parameters
    ----------
    checkpoints : folder of this training's own key; a killed one goes on from what is there.
    record : from `student_record`.
    curve : seed -> what to call after each epoch, such as live tracking.
    """
    start = _best_member(base)
    targets = write_soft_targets(
        checkpoints / "targets.npy",
        base.pool,
        galaxies,
        np.concatenate([split.train, split.validation]),
        truth_share=settings.truth_share,
        truth_width=start.settings["label_smoothing_dz"],
    )
    finetune_pool(
        replace(base.pool, members=(start,)),
        galaxies,
        split,
        settings=settings,
        folder=folder,
        checkpoints=checkpoints,
        record=record,
        curve=curve,
        targets=targets,
    )
    targets.path.unlink()


def _best_member(base: BasePool) -> Member:
    """Return the network with the lowest loss on validation rows in its own training."""
    names = read_json(base.folder / "pool.json")["members"]
    losses = [min(read_json(base.folder / name / "history.json")["val_loss"]) for name in names]
    return base.pool.members[losses.index(min(losses))]


def write_student_report(
    folder: Path,
    base: BasePool,
    galaxies: Galaxies,
    split: Split,
    *,
    record: Mapping[str, Any],
    settings: EvaluateConfig,
) -> Json:
    """Measure a student against its base on test rows; write predictions, and report.json last.

    Parameters
    ----------
    folder : of the saved student; gets predictions, base_predictions and report.json.
    split : whose test rows are those of all arms.
    record : from `student_record`.
    """
    student = load_pool(folder)
    terms = predict_both(folder, base, student, galaxies, split)
    measured = compared_metrics(terms, settings)
    report = {
        **report_head(folder, base, student, record, record["inputs"], split),
        "distilled": True,
        **measured,
        "seeds": {},
        "verdict": verdict(measured, n=len(split.test)),
    }
    report["base"]["weights_sha256"] = _weights(base.folder)
    report["data"] |= {
        "file": "data/galaxies.h5",
        "source": record["trained_on"],
        "sha256": str(galaxies.attribute("source_sha256")),
    }
    write_json(folder / "report.json", report)
    return report


def verdict(measured: Mapping[str, Json], *, n: int) -> str:
    """Say in one sentence how a student does beside the pool that taught it."""
    crps = {name: measured["metrics"][name]["crps"]["value"] for name in ("base", "tuned")}
    change = measured["differences"]["tuned minus base"]["crps"]
    value, low, high = (100 * change[key] / crps["base"] for key in ("value", "low", "high"))
    shown = {name: format_value("crps", number) for name, number in crps.items()}
    return (
        f"On {n:,} test galaxies, {METRICS['crps'].label} is {shown['tuned']}, and {shown['base']} "
        f"of the pool that taught it: {value:+.2f} % (95 % interval {low:+.2f} to {high:+.2f} %)."
    )


def _weights(folder: Path) -> dict[str, str]:
    """SHA-256 of the weights of each network of a pool, by its folder's name."""
    members = read_json(folder / "pool.json")["members"]
    return {name: read_json(folder / name / "estimator.json")["weights_sha256"] for name in members}
