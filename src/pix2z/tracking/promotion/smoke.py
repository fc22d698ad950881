"""The smoke test: a version answers as it would be served, and says what it predicted before.

Some of its test galaxies are sent through the version in a fresh process that runs the code which
was registered with it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.splits import ids_digest, read_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError, IntegrityError
from pix2z.redshift_pdf.density import mean, median, quantiles
from pix2z.redshift_pdf.predictions import select
from pix2z.tracking.promotion.evidence import fetched_parts, part_chunks
from pix2z.tracking.promotion.gate import Check
from pix2z.tracking.store import Store
from pix2z.tracking.versions import FINETUNED, Version

__all__ = [
    "GALAXIES",
    "SPLIT",
    "TOLERANCE",
    "HeldOut",
    "find_held_out",
    "read_held_out",
    "served_fault",
    "smoke_test",
]

GALAXIES, SPLIT = "data/galaxies.h5", "data/splits/full.h5"
"""Below the root of the repository: of the sample whose test galaxies all arms share."""

TOLERANCE = 1e-4
"""Largest difference in redshift: other batches, and other processors, round differently."""

INTERVALS = ("z_err95_low", "z_err68_low", "z_median", "z_err68_high", "z_err95_high")
"""Columns of every answer that rise in this order."""

SECONDS = 600
"""A version that has not answered a few galaxies by then cannot be served."""

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Test galaxies: rows (n,) of a galaxies.h5, and the digest of their object ids."""

    galaxies: Path
    rows: NDArray[np.int64]
    digest: str


def find_held_out(root: Path, digest: str) -> HeldOut | None:
    """Find the test galaxies of that digest: those of data/, else of a fine-tuned model.

    Raises
    ------
    InputError
        Nobody has them, and a file that might is missing (of data/) or damaged.
    """
    errors = []
    for galaxies, split in ((root / GALAXIES, root / SPLIT), *_finetuned_samples(root)):
        try:
            held_out = read_held_out(galaxies, split)
        except InputError as error:
            errors.append(error)
            continue
        if held_out.digest == digest:
            return held_out
    if errors:
        raise errors[0]
    return None


def _finetuned_samples(root: Path) -> Iterator[tuple[Path, Path]]:
    """Galaxies and splits of those fine-tuned models that have both files still."""
    for split in sorted(root.glob(f"{FINETUNED}/*/split.h5")):
        galaxies = split.with_name("galaxies.h5")
        if galaxies.is_file():
            yield galaxies, split


def read_held_out(galaxies: Path, split_path: Path) -> HeldOut:
    """Return the test galaxies of a split.

    Raises
    ------
    InputError
        A file is missing, or the two do not belong together.
    """
    for path in (galaxies, split_path):
        if not path.is_file():
            raise InputError(
                f"{path}: no such file; versions are judged on the test galaxies in it: run "
                "`dvc repro`, or `dvc pull` where somebody pushed it"
            )
    split = read_split(split_path)
    with open_galaxies(galaxies) as file:
        digest = ids_digest(file.column("object_id", split.test))
    if digest != split.test_digest:
        raise InputError(
            f"{galaxies}: its test galaxies are not those that {split_path} was made for; run "
            "`dvc repro`"
        )
    return HeldOut(galaxies, split.test, digest)


def smoke_test(store: Store, version: Version, held_out: HeldOut, *, n: int) -> Check:
    """Send n test galaxies through a version as it would be served, and judge what it answers.

    Raises
    ------
    IntegrityError
        The version has no predictions of its test galaxies.
    """
    rows = held_out.rows[np.unique(np.linspace(0, len(held_out.rows) - 1, n).astype(int))]
    with open_galaxies(held_out.galaxies) as file:
        object_id = file.column("object_id", rows)
        images, ebv = file.images(rows), file.column("ebv", rows).astype(np.float64)
    expected = _predicted(store, version, object_id)
    try:
        fault = served_fault(served_answers(store.uri, version, images, ebv), expected)
    except IntegrityError as error:
        fault = str(error)
    return Check(
        kind="served",
        name="Served model",
        measured=fault or f"{len(rows)} answers as predicted, whole and in order",
        limit="finite, ordered, as predicted",
        passed=not fault,
    )


def _predicted(store: Store, version: Version, object_id: NDArray[np.int64]) -> Columns:
    """Return what a version predicted for some of its test galaxies, as columns of an answer.

    The mode is left out: it is the centre of a bin, and rounding may take it to the next one.
    """
    with fetched_parts(store, version, ["test"]) as files:
        chunks = [
            select(chunk, np.isin(chunk.object_id, object_id)) for chunk in part_chunks(files)
        ]
    predicted_id = np.concatenate([chunk.object_id for chunk in chunks])
    if not np.array_equal(np.sort(predicted_id), np.sort(object_id)):
        raise IntegrityError(f"{version.label}: its predictions lack some of its test galaxies")
    by_id = np.argsort(predicted_id)
    place = by_id[np.searchsorted(predicted_id, object_id, sorter=by_id)]
    density, grid = np.concatenate([chunk.density for chunk in chunks])[place], chunks[0].grid
    limits = quantiles(density, grid, [0.025, 0.16, 0.84, 0.975]).T
    names = ("z_err95_low", "z_err68_low", "z_err68_high", "z_err95_high")
    return {
        "z_median": median(density, grid),
        "z_mean": mean(density, grid),
        **dict(zip(names, limits, strict=True)),
    }


def served_fault(answers: Columns, expected: Columns) -> str:
    """Say what is wrong first with the answers of a version; empty where nothing is.

    They are complete, finite, in order, and as it predicted.

    Parameters
    ----------
    answers : columns of redshifts (n,).
    expected : columns that it predicted for the same galaxies, some of those or all.
    """
    n = len(expected["z_median"])
    for name in (*INTERVALS, "z_mean", "z_mode"):
        if name not in answers or len(answers[name]) != n:
            return f"no column {name} of {n} answers"
        if not np.isfinite(answers[name]).all():
            return f"{int((~np.isfinite(answers[name])).sum())} values of {name} are not finite"
    rising = np.stack([answers[name] for name in INTERVALS])
    if (np.diff(rising, axis=0) < 0).any():
        return "limits of intervals that are not in order"
    for name, values in expected.items():
        distance = float(np.abs(answers[name] - values).max())
        if not distance <= TOLERANCE:
            return f"{name} differs from what it predicted by up to {distance:.2g}"
    return ""


def served_answers(
    uri: str, version: Version, images: NDArray[np.float32], ebv: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Send images (n, 32, 32, 5) through a version in the store `uri`, in a process of its own.

    Raises IntegrityError, saying why, where it does not load or answer.
    """
    script = Path(__file__).with_name("answers_of_version.py")
    with TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "input.npz", Path(scratch) / "output.npz"
        np.savez(source, allow_pickle=False, images=images, ebv=ebv)
        # -P: modules beside the script are not importable, so that none hides another.
        command = [sys.executable, "-P", str(script), version.uri, str(source), str(target)]
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment = {**os.environ, **quiet, "MLFLOW_TRACKING_URI": uri}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise IntegrityError(f"no answer in {SECONDS} s") from error
        if done.returncode or not target.is_file():
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise IntegrityError(f"does not load or answer: {lines[-1].strip()}")
        with np.load(target, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
