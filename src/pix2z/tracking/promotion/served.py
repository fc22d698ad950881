"""The smoke test: a version answers in a fresh process, as it would be served."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import IntegrityError
from pix2z.tracking.promotion.gate import Check
from pix2z.tracking.promotion.held_out import SmokeInput
from pix2z.tracking.promotion.versions import Version

__all__ = ["INTERVALS", "TOLERANCE", "served_answers", "served_check"]

TOLERANCE = 1e-5
"""Largest difference in redshift; both sides run the same networks on the same batch."""

INTERVALS = ("z_err95_low", "z_err68_low", "z_median", "z_err68_high", "z_err95_high")
"""Columns of every answer that rise in this order."""

SECONDS = 600
"""A version that has not answered a few galaxies by then cannot be served."""

Columns = Mapping[str, NDArray[Any]]


def served_check(answers: Columns | str, expected: Columns) -> Check:
    """Judge the answers of a version: complete, finite, in order, and the estimator's own.

    Parameters
    ----------
    answers : columns of redshifts (n,), or why there are none.
    expected : the estimator's columns for the same images.
    """
    fault = answers if isinstance(answers, str) else _fault(answers, expected)
    n = len(expected.get("z_median", ()))
    return Check(
        kind="served",
        name="Served model",
        measured=fault or f"{n} answers as estimated, whole and in order",
        limit="finite, ordered, as estimated",
        passed=not fault,
    )


def _fault(answers: Columns, expected: Columns) -> str:
    """Say what is wrong with the answers first; empty where nothing is."""
    for name, values in expected.items():
        if name not in answers or len(answers[name]) != len(values):
            return f"no column {name} of {len(values)} answers"
        if not np.isfinite(answers[name]).all():
            return f"{int((~np.isfinite(answers[name])).sum())} values of {name} are not finite"
    rising = np.stack([answers[name] for name in INTERVALS])
    if (np.diff(rising, axis=0) < 0).any():
        return "limits of intervals that are not in order"
    for name, values in expected.items():
        distance = float(np.abs(answers[name] - values).max())
        if distance > TOLERANCE:
            return f"{name} differs from the estimator's by up to {distance:.2g}"
    return ""


def served_answers(uri: str, version: Version, smoke: SmokeInput) -> dict[str, NDArray[Any]]:
    """Send the smoke input through a version in the store `uri`, in a process of its own.

    Raises IntegrityError, saying why, where it does not load or answer.
    """
    script = Path(__file__).with_name("answers_of_version.py")
    with TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "input.npz", Path(scratch) / "output.npz"
        np.savez(source, allow_pickle=False, images=smoke.images, ebv=smoke.ebv)
        # -P: modules beside the script are not importable, so that none hides another.
        command = [sys.executable, "-P", str(script), version.uri, str(source), str(target)]
        try:
            done = subprocess.run(
                command, env=_environment(uri), capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise IntegrityError(f"no answer in {SECONDS} s") from error
        if done.returncode or not target.is_file():
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise IntegrityError(f"does not load or answer: {lines[-1].strip()}")
        with np.load(target, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def _environment(uri: str) -> dict[str, str]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**os.environ, **quiet, "MLFLOW_TRACKING_URI": uri}
