"""What a run says, as a value built from files; `runs.ensure_runs` writes it to a store.

A run is found again by its key, a digest of what makes it this one, such as the weights of a
network.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.files import file_digest, text_digest

__all__ = [
    "COMPARISONS",
    "SPECTRA",
    "TRAININGS",
    "TUNING",
    "RunRecord",
    "as_params",
    "content_digest",
    "numbers",
]

TUNING, TRAININGS, COMPARISONS = "pix2z-tune", "pix2z-train", "pix2z-compare"
SPECTRA = SPECTRUM_MODEL
"""Names of the experiments; spectrum networks have one of their own."""

Curve = Sequence[tuple[int, float]]
"""(step, value) in order of step."""


@dataclass(frozen=True)
class RunRecord:
    """One run: of a study or a trial, of a training or a pool, of a comparison."""

    key: str
    """Digest of what makes this run this one; the store holds it once."""
    experiment: str
    name: str
    description: str
    started: float = 0.0
    """Seconds since 1970."""
    seconds: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    artifacts: Mapping[Path, str] = field(default_factory=dict)
    """Local file -> folder among the run's artifacts ('' is the top)."""
    commit: str = ""
    """The commit that holds its results; empty where they are not committed yet."""
    named_by_code: bool = False
    """Whether the DVC experiment, else the commit, that made it stands before its name."""
    training_key: str | None = None
    """Digest of what a training starts from: finds the run that showed its live curves."""
    parent_key: str | None = None


def content_digest(record: RunRecord) -> str:
    """Digest of all that may change while the key stays: metrics, words, tags and artifacts."""
    files = {f"{folder}/{p.name}": file_digest(p) for p, folder in record.artifacts.items()}
    said = [record.name, record.description, dict(record.metrics), dict(record.tags), files]
    return text_digest(json.dumps(said, sort_keys=True))


def numbers(value: Mapping[str, Any], of: str = "value") -> dict[str, float]:
    """Return the finite numbers of a mapping, by key; a {"value": x} counts as x.

    Parameters
    ----------
    of : "low" or "high" for the limits of intervals; what is without one is left out.
    """
    values: dict[str, float] = {}
    for key, inner in value.items():
        number = inner if of == "value" else None
        number = inner.get(of) if isinstance(inner, Mapping) else number
        if isinstance(number, int | float) and not isinstance(number, bool):
            values[key] = float(number)
    return values


def as_params(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return settings as MLflow shows them: ``outer.inner`` names, anything but text as JSON."""
    params: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            params |= as_params(inner, f"{prefix}{key}.")
        else:
            params[f"{prefix}{key}"] = inner if isinstance(inner, str) else json.dumps(inner)
    return params
