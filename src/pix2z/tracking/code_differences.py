"""What differed from the commit when a version was trained: files of code, and parameters.

dvc.lock holds digests of the code and values of the parameters that a stage ran with, so that this
is known whether or not anything was committed.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pix2z.tracking.lineage import git_bytes, git_output
from pix2z.tracking.pipeline_record import Stages, folder_md5

__all__ = ["ChangedFile", "ChangedParameter", "changed_code", "changed_parameters", "read_blob"]

_ABSENT = object()


@dataclass(frozen=True)
class ChangedFile:
    """A file, or folder, of code that was not as in the commit."""

    path: str
    is_here: bool
    """Whether the file in this checkout is the one that was used."""


@dataclass(frozen=True)
class ChangedParameter:
    """A value that was not as in the commit."""

    key: str
    """As ``hybrid.dropout``."""
    value: Any
    """That was used."""


def changed_code(stages: Stages, commit: str, *, root: Path) -> list[ChangedFile]:
    """List the code that stages ran with and that is not that of the commit."""
    used = {
        dep["path"]: dep["md5"]
        for entry in stages.values()
        for dep in entry.get("deps", ())
        if dep["path"].startswith("src/")
    }
    return [
        ChangedFile(path, _md5_here(root / path) == md5)
        for path, md5 in sorted(used.items())
        if _md5_in(commit, path, root) != md5
    ]


def changed_parameters(
    stages: Stages, commit: str, *, preset: str | None, root: Path
) -> list[ChangedParameter]:
    """List parameters that stages ran with and that are not those of the commit.

    Parameters
    ----------
    preset : the overlay on params.yaml that was used, if one was.
    """
    overlays = ["params.yaml", *([f"presets/{preset}.yaml"] if preset else [])]
    layers = [yaml.safe_load(read_blob(commit, path, root)) or {} for path in overlays]
    used: dict[str, Any] = {}
    for entry in stages.values():
        used |= entry.get("params", {}).get("params.yaml", {})
    return [
        ChangedParameter(key, value)
        for key, value in dict(_leaves(used)).items()
        if _committed(layers, key) != value
    ]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _committed(layers: list[Any], key: str) -> Any:
    """Return the value of a dotted key in the last layer that has it."""
    found: Any = _ABSENT
    for layer in layers:
        value = layer
        for part in key.split("."):
            value = value.get(part, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        found = found if value is _ABSENT else value
    return found


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _md5_here(path: Path) -> str | None:
    if path.is_dir():
        files = (p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return folder_md5({p.relative_to(path).as_posix(): p.read_bytes() for p in files})
    return _md5(path.read_bytes()) if path.is_file() else None


def _md5_in(commit: str, path: str, root: Path) -> str | None:
    """MD5 of a file or folder in a commit, as DVC takes it; None where it is not there."""
    names = git_output(
        root, "ls-tree", "-r", "--name-only", "--full-tree", commit, path
    ).splitlines()
    if not names:
        return None
    if names == [path]:
        return _md5(read_blob(commit, path, root))
    return folder_md5(
        {name.removeprefix(f"{path}/"): read_blob(commit, name, root) for name in names}
    )


def read_blob(commit: str, path: str, root: Path) -> bytes:
    """Read a file of a commit by its path from the top of the repository; empty if it has none."""
    return git_bytes(root, "show", f"{commit}:{path}")
