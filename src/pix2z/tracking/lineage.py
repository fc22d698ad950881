"""Where a run comes from: the state of the code, and digests of the files it read."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pix2z.files import file_digest, read_json
from pix2z.tracking.pipeline_record import read_lock

__all__ = [
    "WORKSPACE_CODE",
    "code_tags",
    "data_digest",
    "git_bytes",
    "git_output",
    "recorded_digests",
]

WORKSPACE_CODE = ".pix2z-workspace-code.json"
"""In a workspace: `code_tags` of the checkout that it was copied from, and its preset."""

_CODE = (":/src", ":/params.yaml", ":/dvc.yaml", ":/requirements.txt")


def code_tags(folder: Path) -> dict[str, str]:
    """Commit of `folder` and whether code or parameters differ from it; empty outside git.

    dvc.lock and results are left out: they are written by the run itself, after the commit. A
    workspace has the commit that it was copied from. `dvc exp run` gives the experiment's name.
    """
    copied = folder / WORKSPACE_CODE
    if copied.exists():
        return dict(read_json(copied))
    commit = git_output(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = git_output(folder, "status", "--porcelain", "--", *_CODE)
    experiment = os.environ.get("DVC_EXP_NAME")
    return {
        "mlflow.source.git.commit": commit,
        "git_commit": commit,
        "git_dirty": str(bool(changed)).lower(),
        **({"dvc_experiment": experiment} if experiment else {}),
    }


def git_output(folder: Path, *arguments: str) -> str:
    """Output of a git command; empty where git or the repository is missing, or it fails."""
    return git_bytes(folder, *arguments).decode(errors="replace").strip()


def git_bytes(folder: Path, *arguments: str) -> bytes:
    """Output of a git command as it is, such as a file; empty as of `git_output`."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True)
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""


def recorded_digests(lock: Path) -> dict[str, str]:
    """Path -> ``md5:...`` of every output in dvc.lock; empty where there is no such file."""
    outs = (out for stage in read_lock(lock).values() for out in stage.get("outs", ()))
    return {out["path"]: f"md5:{out['md5']}" for out in outs}


def data_digest(folder: Path, path: str, recorded: Mapping[str, str]) -> str:
    """Digest of a file as DVC recorded it, else its SHA-256 as ``sha256:...``."""
    return recorded.get(path) or f"sha256:{file_digest(folder / path)}"
