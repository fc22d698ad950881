"""What a run says, as a value built from files, and the state of the code that made it.

Nothing here knows MLflow: `runs.ensure_runs` writes these values to a store. A run is found again
by its key, a digest of what makes it this one, such as the weights of a network.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pix2z.files import file_digest, read_json, text_digest

__all__ = [
    "WORKSPACE_CODE",
    "RunRecord",
    "as_params",
    "code_tags",
    "content_digest",
    "first_commit_with",
    "flatten",
    "numbers",
]

Curve = Sequence[tuple[int, float]]
"""(step, value) in order of step."""

WORKSPACE_CODE = ".pix2z-workspace-code.json"
"""In a workspace: `code_tags` of the checkout that it was copied from, and its preset."""

_CODE = (":/src", ":/params.yaml", ":/dvc.yaml", ":/requirements.txt")
"""What git must hold unchanged for a commit to tell how a run was made."""


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
    training_key: str | None = None
    """Digest of what a training starts from: finds the run that showed its live curves."""
    parent_key: str | None = None


def content_digest(record: RunRecord) -> str:
    """Digest of all that may change while the key stays: metrics, words, tags and artifacts."""
    files = {f"{folder}/{p.name}": file_digest(p) for p, folder in record.artifacts.items()}
    said = [record.name, record.description, dict(record.metrics), dict(record.tags), files]
    return text_digest(json.dumps(said, sort_keys=True))


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
    values: dict[str, float] = {}
    for key, inner in value.items():
        number = inner.get("value") if isinstance(inner, Mapping) else inner
        if isinstance(number, int | float) and not isinstance(number, bool):
            values[key] = float(number)
    return values


def as_params(value: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as MLflow shows them: one flat name each, lists as JSON."""
    leaves = flatten(value).items()
    return {key: leaf if isinstance(leaf, str) else json.dumps(leaf) for key, leaf in leaves}


def code_tags(folder: Path) -> dict[str, str]:
    """Commit of `folder` and whether code or parameters differ from it; empty outside git.

    dvc.lock and results are left out: they are written by the run itself, after the commit. A
    workspace has the commit that it was copied from. `dvc exp run` gives the experiment's name.
    """
    copied = folder / WORKSPACE_CODE
    if copied.exists():
        return dict(read_json(copied))
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = _git(folder, "status", "--porcelain", "--", *_CODE)
    experiment = os.environ.get("DVC_EXP_NAME")
    return {
        "mlflow.source.git.commit": commit,
        "git_commit": commit,
        "git_dirty": str(bool(changed)).lower(),
        **({"dvc_experiment": experiment} if experiment else {}),
    }


def first_commit_with(folder: Path, text: str, *, path: str) -> str:
    """Return the first commit, of those that led to HEAD, whose `path` holds `text`; else ''."""
    commits = _git(folder, "log", "--format=%H", f"-S{text}", "--", path).split()
    return commits[-1] if commits else ""


def _git(folder: Path, *arguments: str) -> str:
    """Output of a git command; empty where git or the repository is missing, or it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True)
    except FileNotFoundError:
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
