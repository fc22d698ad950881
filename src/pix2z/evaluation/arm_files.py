"""Reading what an arm or a control left behind: predictions, histories, cost."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, GalaxyTerms, galaxy_terms
from pix2z.evaluation.arm_metrics import subset_values
from pix2z.evaluation.paired import MEAN_TERMS
from pix2z.files import read_json
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

__all__ = ["read_arm", "read_controls", "read_histories"]

CONTROLS = ("trainz", "knn", "trees", "parameters_noisy", "parameters")
"""From the least to the most informed; others come after them."""

History = dict[str, Any]
Change = Callable[[Predictions], Predictions]


def read_arm(
    name: str,
    *,
    clip_window: tuple[float, float],
    predictions: str | Path = "predictions",
    models: str | Path = "models",
    change: Change = lambda chunk: chunk,
) -> ArmGalaxies:
    """Read an arm's pool and seeds, and its training size and CPU time where histories exist.

    Parameters
    ----------
    change : done to the predictions, chunk by chunk, as they are read.

    Raises
    ------
    InputError
        A file is missing, damaged or not finite, or a seed has other galaxies than the pool.
    """
    folder = Path(predictions) / name
    paths = sorted(folder.glob("seed-*.hdf5"), key=_number)
    pool = _read(folder / "pool.hdf5", change)
    seeds, sums = {}, {"crps": np.zeros(len(pool)), "mae": np.zeros(len(pool))}
    for path in paths:
        terms = _read(path, change)
        if not np.array_equal(terms.object_id, pool.object_id):
            raise InputError(
                f"{path}: expected the galaxies of pool.hdf5 in the same order ({len(pool)}); "
                f"received others ({len(terms)})"
            )
        seeds[_number(path)] = subset_values(terms, clip_window)
        for metric, of_galaxies in sums.items():
            of_galaxies += MEAN_TERMS[metric](terms)
    of_networks = {name: total / len(seeds) for name, total in sums.items() if seeds}
    histories = list(read_histories(name, models=models).values())
    cost: dict[str, Any] = {}
    if histories:
        cost["n_train"] = round(np.mean([record["n_train"] for record in histories]))
        cost["cpu_seconds"] = float(sum(record["cpu_seconds"] for record in histories))
    return ArmGalaxies(pool=pool, seeds=seeds, of_networks=of_networks, **cost)


def read_controls(
    *, predictions: str | Path = "predictions", report: str | Path = "reports/controls.json"
) -> dict[str, ArmGalaxies]:
    """Read every control that is present; its cost from the control stage's report."""
    paths = {path.stem: path for path in (Path(predictions) / "controls").glob("*.hdf5")}
    facts = read_json(report) if paths else {}
    known = [name for name in CONTROLS if name in paths]
    controls = {}
    for name in (*known, *sorted(paths.keys() - set(known))):
        cost = {key: facts.get(name, {}).get(key) for key in ("n_train", "cpu_seconds")}
        controls[name] = ArmGalaxies(pool=_read(paths[name]), **cost)
    return controls


def read_histories(name: str, *, models: str | Path = "models") -> dict[int, History]:
    """Read the training history of every seed of an arm, by seed."""
    paths = (Path(models) / name).glob("seed-*/history.json")
    return {_number(path.parent): read_json(path) for path in sorted(paths)}


def _number(path: Path) -> int:
    """Training seed of ``seed-<k>``."""
    text = path.stem.removeprefix("seed-")
    if not text.isdigit():
        raise InputError(f"{path}: expected seed-<number>")
    return int(text)


def _read(path: Path, change: Change = lambda chunk: chunk) -> GalaxyTerms:
    return galaxy_terms(change(chunk) for chunk in _finite_chunks(path))


def _finite_chunks(path: Path) -> Iterator[Predictions]:
    """Predictions of a file; InputError where they are not finite and metrics need them to be."""
    bad: Counter[str] = Counter()
    for chunk in read_prediction_chunks(path):
        for name in ("density", "z_spec", "z_phot"):
            finite = np.isfinite(getattr(chunk, name).reshape(len(chunk), -1)).all(axis=1)
            bad[name] += int(np.count_nonzero(~finite))
        if not bad.total():
            yield chunk
    for name, count in bad.items():
        if count:
            raise InputError(f"{path}: {name} must be finite; it is not for {count} galaxies")
