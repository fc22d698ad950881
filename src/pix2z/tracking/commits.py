"""Which commit made a run, as git knows it.

Once results are committed, dvc.lock in git names them by digest: a run of theirs belongs to that
commit, whatever is checked out when it is registered. Until then it belongs to the code as it is.
"""

import hashlib
import json
import os
import subprocess
from functools import partial
from pathlib import Path

from pix2z.files import PARTIAL, read_json

__all__ = [
    "WORKSPACE_CODE",
    "code_tags",
    "commit_tags",
    "commit_with_output",
    "first_commit_with",
    "output_digest",
    "takes_file",
]

WORKSPACE_CODE = ".pix2z-workspace-code.json"
"""In a workspace: `code_tags` of the checkout that it was copied from, and its preset."""

_md5 = partial(hashlib.md5, usedforsecurity=False)

_CODE = (":/src", ":/params.yaml", ":/dvc.yaml", ":/requirements.txt")
"""What git must hold unchanged for a commit to tell how a run was made."""


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
        **commit_tags(commit),
        "git_dirty": str(bool(changed)).lower(),
        **({"dvc_experiment": experiment} if experiment else {}),
    }


def commit_tags(commit: str) -> dict[str, str]:
    """Return the tags of a run that name its commit, to MLflow and to people."""
    return {"mlflow.source.git.commit": commit, "git_commit": commit}


def commit_with_output(root: Path, output: str) -> str:
    """Return the first commit whose dvc.lock holds an output of DVC as it is now; else ''.

    Parameters
    ----------
    output : path of a file or folder below `root`.
    """
    return first_commit_with(root, output_digest(root / output), path="dvc.lock")


def first_commit_with(folder: Path, text: str, *, path: str) -> str:
    """Return the first commit, of those that led to HEAD, whose `path` holds `text`; else ''."""
    commits = _git(folder, "log", "--format=%H", f"-S{text}", "--", path).split()
    return commits[-1] if commits else ""


def output_digest(output: Path) -> str:
    """Digest of a file or folder as dvc.lock has it; of a folder, what a kill left is ignored."""
    if output.is_file():
        return _file_md5(output)
    files = {path.relative_to(output).as_posix(): path for path in output.rglob("*")}
    listed = [
        {"md5": _file_md5(path), "relpath": name}
        for name, path in sorted(files.items())
        if path.is_file() and not path.name.startswith(PARTIAL)
    ]
    return f"{_md5(json.dumps(listed, sort_keys=True).encode()).hexdigest()}.dir"


def takes_file(folder: Path, name: str) -> bool:
    """Whether git has a file of `folder`, or would take it: no rule of .gitignore leaves it out."""
    return bool(_git(folder, "ls-files", "-co", "--exclude-standard", "--", name))


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    """Output of a git command; empty where git or the repository is missing, or it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True)
    except FileNotFoundError:
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
