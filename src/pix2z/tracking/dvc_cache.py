"""DVC, as far as it is asked here: its commands, its remote, and objects of its cache."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from pix2z.errors import Pix2zError

__all__ = [
    "cache_folder",
    "cached_files",
    "default_remote",
    "is_altered",
    "run_dvc",
]

_CHUNK = 2**20


def run_dvc(root: Path, *arguments: str) -> str:
    """Run a command of DVC in `root`; its output. Raises Pix2zError where it fails."""
    done = _dvc(root, *arguments)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Pix2zError(f"dvc {arguments[0]}: {lines[0].removeprefix('ERROR: ')}")
    return done.stdout


def _dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def default_remote(root: Path) -> str:
    """Return the name of the remote that `dvc push` takes; empty where none is configured."""
    done = _dvc(root, "config", "core.remote")
    return done.stdout.strip() if done.returncode == 0 else ""


def cache_folder(root: Path) -> Path:
    """Return the folder of DVC's cache."""
    return root / run_dvc(root, "cache", "dir").strip()


def cached_files(cache: Path, md5: str) -> dict[str, Path]:
    """Objects of the cache that an output is made of: path below the output -> object.

    Objects are named whether they are there or not; a folder whose list is not there is that list
    alone.

    Parameters
    ----------
    md5 : of dvc.lock; of a folder where it ends in ``.dir``.
    """
    whole = _object(cache, md5)
    if not md5.endswith(".dir"):
        return {"": whole}
    try:
        listed = json.loads(whole.read_text(encoding="utf-8"))
        return {entry["relpath"]: _object(cache, entry["md5"]) for entry in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return {"": whole}


def _object(cache: Path, md5: str) -> Path:
    return cache / "files/md5" / md5[:2] / md5[2:]


def is_altered(cached: Path) -> bool:
    """Tell whether an object's content is not what its name says; a missing one is not altered.

    A user who may write anything can alter an object through a file that is linked to it, and DVC
    does not look again.
    """
    if not cached.is_file():
        return False
    digest = hashlib.md5(usedforsecurity=False)
    with cached.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() != (cached.parent.name + cached.name).removesuffix(".dir")
