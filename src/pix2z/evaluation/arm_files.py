"""Reading what an arm or a control left behind: predictions, histories, cost.

An arm is also read as a control of its own: what it says when it is told that a galaxy lies inside
the clip window. Whether a galaxy does is known from its spectroscopic redshift alone. A network
trained on the clipped sample carries that knowledge in its prior, an advantage that has nothing to
do with better training galaxies. Cutting another network's PDFs to the window gives it the same
knowledge: only what the clipped network gains over *that* is owed to clipping.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, GalaxyTerms, galaxy_terms
from pix2z.evaluation.arm_metrics import subset_values
from pix2z.files import read_json
from pix2z.redshift_pdf.density import median, normalise
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

__all__ = ["read_arm", "read_controls", "read_histories", "told_window"]

CONTROLS = ("trainz", "knn", "trees", "parameters_noisy", "parameters")
"""From the least to the most informed; others come after them."""

History = dict[str, Any]
Window = tuple[float, float]


def read_arm(
    name: str,
    *,
    clip_window: Window,
    predictions: str | Path = "predictions",
    models: str | Path = "models",
    told: bool = False,
) -> ArmGalaxies:
    """Read an arm's pool and seeds, and its training size and CPU time where histories exist.

    Parameters
    ----------
    told : whether every PDF is cut to `clip_window`, as `told_window` does it.

    Raises
    ------
    InputError
        A file is missing, damaged or not finite, or a seed has other galaxies than the pool.
    """
    folder = Path(predictions) / name
    paths = sorted(folder.glob("seed-*.hdf5"), key=_number)
    window = clip_window if told else None
    pool = _read(folder / "pool.hdf5", window)
    seeds, sums = {}, {"crps": np.zeros(len(pool)), "mae": np.zeros(len(pool))}
    for path in paths:
        terms = _read(path, window)
        if not np.array_equal(terms.object_id, pool.object_id):
            raise InputError(
                f"{path}: expected the galaxies of pool.hdf5 in the same order ({len(pool)}); "
                f"received others ({len(terms)})"
            )
        seeds[_number(path)] = subset_values(terms, clip_window)
        sums["crps"] += terms.crps
        sums["mae"] += np.abs(terms.z_phot - terms.z_spec)
    of_networks = {name: total / len(seeds) for name, total in sums.items() if seeds}
    histories = list(read_histories(name, models=models).values())
    cost: dict[str, Any] = {}
    if histories:
        cost["n_train"] = round(np.mean([record["n_train"] for record in histories]))
        cost["cpu_seconds"] = float(sum(record["cpu_seconds"] for record in histories))
    return ArmGalaxies(pool=pool, seeds=seeds, of_networks=of_networks, **cost)


def read_controls(
    *, folder: str | Path = "controls", report: str | Path = "reports/controls.json"
) -> dict[str, ArmGalaxies]:
    """Read every control that is present; its cost from the control stage's report."""
    paths = {path.stem: path for path in Path(folder).glob("*.hdf5")}
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


def told_window(predictions: Predictions, window: Window) -> Predictions:
    """Cut every PDF to [low, high] in redshift and renormalise; the point estimate is its median.

    Bins that the window cuts keep their share inside it. A PDF that is 0 throughout the window
    becomes flat there.
    """
    grid = predictions.grid
    low, high = (np.clip(limit, grid.z_min, grid.z_max) for limit in window)
    inside = np.minimum(grid.edges[1:], high) - np.maximum(grid.edges[:-1], low)
    share = np.clip(inside / grid.width, 0.0, 1.0)
    cut = predictions.density.astype(np.float64) * share
    density = normalise(np.where(cut.sum(axis=1, keepdims=True) > 0, cut, share), grid)
    return replace(predictions, density=density.astype(np.float32), z_phot=median(density, grid))


def _read(path: Path, told: Window | None = None) -> GalaxyTerms:
    chunks = _finite_chunks(path)
    return galaxy_terms(told_window(chunk, told) if told else chunk for chunk in chunks)


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
