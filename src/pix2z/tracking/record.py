"""What a run says, as a value built from files; nothing here knows MLflow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pix2z.files import file_digest, text_digest

__all__ = ["DatasetUse", "RunRecord", "as_params", "content_digest", "flatten", "numbers"]

Curve = Sequence[tuple[int, float]]
"""(step, value) in order of step."""


@dataclass(frozen=True)
class DatasetUse:
    """A file that a run read."""

    name: str
    path: str
    digest: str
    context: str
    """``training``, ``validation`` or ``test``."""


@dataclass(frozen=True)
class RunRecord:
    """One run of one experiment."""

    key: str
    """Digest of what makes this run this one; the store holds it once."""
    name: str
    description: str
    started: float
    """Seconds since 1970."""
    seconds: float
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    artifacts: Mapping[Path, str] = field(default_factory=dict)
    """Local file -> folder among the run's artifacts ('' is the top)."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Name among the run's artifacts -> its text."""
    datasets: tuple[DatasetUse, ...] = ()
    training_key: str | None = None
    """Digest of what a training starts from: finds the run that showed its live curves."""
    parent_key: str | None = None


def content_digest(record: RunRecord) -> str:
    """Digest of all that may change while the key stays: metrics, words, tags and artifacts."""
    files = {f"{folder}/{p.name}": file_digest(p) for p, folder in record.artifacts.items()}
    said = [record.name, record.description, dict(record.metrics), dict(record.tags), files]
    texts = [text_digest(*pair) for pair in sorted(record.texts.items())]
    return text_digest(json.dumps(said, sort_keys=True), *texts)


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings -> ``outer.inner`` keys; everything else is a leaf."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= flatten(inner, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = inner
    return flat


def numbers(value: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers of a mapping, by key; a {"value": x} counts as x."""
    found: dict[str, float] = {}
    for key, inner in value.items():
        number = inner.get("value") if isinstance(inner, Mapping) else inner
        if isinstance(number, int | float) and not isinstance(number, bool):
            found[key] = float(number)
    return found


def as_params(value: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as MLflow shows them: one flat name each, lists as JSON."""
    leaves = flatten(value).items()
    return {key: leaf if isinstance(leaf, str) else json.dumps(leaf) for key, leaf in leaves}
