"""Reading what an arm or a control left behind: predictions, histories, cost."""

from pathlib import Path
from typing import Any

import numpy as np

from pix2z.errors import InputError
from pix2z.evaluation.comparison import ArmPredictions
from pix2z.files import read_json
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.redshift_pdf.qp_files import read_predictions

__all__ = ["read_arm_predictions", "read_controls", "read_histories"]

History = dict[str, Any]


def read_arm_predictions(
    name: str, *, predictions: str | Path = "predictions", models: str | Path = "models"
) -> ArmPredictions:
    """Read an arm's pool and seeds, and its training size and CPU time where histories exist."""
    folder = Path(predictions) / name
    seeds = {_number(path): _read(path) for path in sorted(folder.glob("seed-*.hdf5"))}
    histories = list(read_histories(name, models=models).values())
    return ArmPredictions(
        pool=_read(folder / "pool.hdf5"),
        seeds=dict(sorted(seeds.items())),
        n_train=int(histories[0]["n_train"]) if histories else None,
        cpu_seconds=float(sum(record["cpu_seconds"] for record in histories))
        if histories
        else None,
    )


def read_controls(
    *, predictions: str | Path = "predictions", report: str | Path = "reports/controls.json"
) -> dict[str, ArmPredictions]:
    """Read every control that is present; its cost from the control stage's report."""
    paths = sorted((Path(predictions) / "controls").glob("*.hdf5"), key=_order)
    facts = read_json(report) if paths else {}
    found = {}
    for path in paths:
        cost = facts.get(path.stem, {})
        found[path.stem] = ArmPredictions(
            pool=_read(path), n_train=cost.get("n_train"), cpu_seconds=cost.get("cpu_seconds")
        )
    return found


def read_histories(name: str, *, models: str | Path = "models") -> dict[int, History]:
    """Read the training history of every seed of an arm, by seed."""
    paths = (Path(models) / name).glob("seed-*/history.json")
    return {_number(path.parent): read_json(path) for path in sorted(paths)}


def _order(path: Path) -> tuple[int, str]:
    """Known controls from the least to the most informed, others after them by name."""
    known = ("trainz", "knn", "trees", "parameters_noisy", "parameters")
    return (known.index(path.stem) if path.stem in known else len(known), path.stem)


def _number(path: Path) -> int:
    """Training seed of ``seed-<k>``."""
    text = path.stem.removeprefix("seed-")
    if not text.isdigit():
        raise InputError(f"{path}: expected seed-<number>")
    return int(text)


def _read(path: Path) -> Predictions:
    """Predictions, checked to be finite where metrics need them."""
    found = read_predictions(path)
    for name in ("density", "z_spec", "z_phot"):
        bad = ~np.isfinite(getattr(found, name).reshape(len(found), -1)).all(axis=1)
        if bad.any():
            raise InputError(
                f"{path}: {name} must be finite; it is not for {np.count_nonzero(bad)} galaxies"
            )
    return found
