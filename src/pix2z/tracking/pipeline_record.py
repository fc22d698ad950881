"""What dvc.lock says of how the outputs of a stage were made."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pix2z.errors import InputError
from pix2z.files import text_digest

__all__ = ["Stages", "entry_digest", "folder_md5", "read_lock", "stage_chain"]

Stages = Mapping[str, Mapping[str, Any]]
"""Stage -> its entry in dvc.lock: cmd, deps, params, outs."""


def read_lock(lock: Path) -> Stages:
    """Read the stages of dvc.lock; empty where there is no such file.

    Raises
    ------
    InputError
        The file is not a dvc.lock.
    """
    if not lock.exists():
        return {}
    try:
        stages = _stages(lock.read_text("utf-8"))
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        stages = None
    if not isinstance(stages, dict) or not all(isinstance(e, dict) for e in stages.values()):
        raise InputError(f"{lock}: not a dvc.lock; `dvc repro` writes it")
    return stages


@lru_cache(maxsize=1)
def _stages(text: str) -> Any:
    """Parse a dvc.lock once, however many arms ask; a quarter of a second each."""
    return yaml.load(text, yaml.CSafeLoader)["stages"]


def stage_chain(stages: Stages, stage: str) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a stage and of all that it was made from, the first ones first."""
    found: dict[str, Mapping[str, Any]] = {}
    for name in _upstream(stages, stage):
        found[name] = stages[name]
    return found


def _upstream(stages: Stages, stage: str) -> Iterator[str]:
    for dep in stages[stage].get("deps", ()):
        for name, entry in stages.items():
            if any(_overlap(dep["path"], out["path"]) for out in entry.get("outs", ())):
                yield from _upstream(stages, name)
    yield stage


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def entry_digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 of an entry of dvc.lock: same command, inputs, parameters and outputs."""
    return text_digest(json.dumps(entry, sort_keys=True))


def folder_md5(files: Mapping[str, bytes]) -> str:
    """Digest of a folder as DVC writes it, ``....dir``; from path below it -> content."""
    listed = [
        {"md5": hashlib.md5(content, usedforsecurity=False).hexdigest(), "relpath": path}
        for path, content in sorted(files.items())
    ]
    text = json.dumps(listed, sort_keys=True)
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"
