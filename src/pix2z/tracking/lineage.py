"""Where a run comes from: the state of the code, and digests of the files it read."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pix2z.files import file_digest

__all__ = ["code_tags", "data_digest", "recorded_digests"]

_CODE = (":/src", ":/params.yaml", ":/dvc.yaml", ":/requirements.txt")


def code_tags(folder: Path) -> dict[str, str]:
    """Commit of `folder` and whether code or parameters differ from it; empty outside git.

    dvc.lock and results are left out: they are written by the run itself, after the commit.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = _git(folder, "status", "--porcelain", "--", *_CODE)
    return {
        "mlflow.source.git.commit": commit,
        "git_commit": commit,
        "git_dirty": str(bool(changed)).lower(),
    }


def _git(folder: Path, *arguments: str) -> str:
    """Output of a git command; empty where git or the repository is missing."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def recorded_digests(lock: Path) -> dict[str, str]:
    """Path -> ``md5:...`` of every output in dvc.lock; empty where there is no such file."""
    if not lock.exists():
        return {}
    stages: Mapping[str, Any] = yaml.load(lock.read_text("utf-8"), yaml.CSafeLoader)["stages"]
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return {out["path"]: f"md5:{out['md5']}" for out in outs}


def data_digest(folder: Path, path: str, recorded: Mapping[str, str]) -> str:
    """Digest of a file as DVC recorded it, else its SHA-256 as ``sha256:...``."""
    return recorded.get(path) or f"sha256:{file_digest(folder / path)}"
