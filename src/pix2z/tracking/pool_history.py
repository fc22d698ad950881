"""The pool of a version in an earlier commit: dvc.lock named it then, and DVC may still hold it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pix2z.errors import Pix2zError
from pix2z.tracking.dvc_cache import cache_folder, cached_files, default_remote, run_dvc
from pix2z.tracking.lineage import git_bytes, git_output
from pix2z.tracking.models import MODELS
from pix2z.tracking.store import Store

__all__ = ["PastPool", "fetched_from_history", "find_in_history"]


@dataclass(frozen=True)
class PastPool:
    """A folder that dvc.lock of a commit records."""

    commit: str
    path: str
    """As ``models/full``."""


def find_in_history(root: Path, version: ModelVersion, store: Store) -> PastPool | None:
    """Find a commit whose dvc.lock records the pool of a version, if DVC can still bring it.

    It can where its cache holds every file, or where there is a remote, which is not asked.
    """
    path, md5 = _recorded(version, store)
    if not md5:
        return None
    commits = git_output(root, "log", f"-S{md5}", "--format=%H", "--", "dvc.lock").split()
    known = (c for c in commits if md5.encode() in git_bytes(root, "show", f"{c}:./dvc.lock"))
    commit = next(known, None)
    return PastPool(commit, path) if commit and _can_come(root, md5) else None


def _can_come(root: Path, md5: str) -> bool:
    try:
        files = cached_files(cache_folder(root), md5)
    except Pix2zError:
        return False
    whole = "" not in files and all(file.is_file() for file in files.values())
    return whole or bool(default_remote(root))


def _recorded(version: ModelVersion, store: Store) -> tuple[str, str]:
    """Return folder and MD5 that dvc.lock had for the pool; empty where that was not recorded."""
    try:
        tags = store.client.get_run(version.run_id).data.tags
    except MlflowException:
        return "", ""
    md5 = tags.get("pool_folder_digest", "").removeprefix("md5:")
    return f"{MODELS}/{tags.get('arm', '')}", md5


@contextmanager
def fetched_from_history(root: Path, past: PastPool) -> Iterator[Path]:
    """Yield the folder as it was, from DVC's cache or remote; Pix2zError where neither has it."""
    with TemporaryDirectory(prefix=".partial-pool-", dir=root) as scratch:
        out = Path(scratch) / "pool"
        run_dvc(root, "get", "-q", ".", past.path, "--rev", past.commit, "-o", str(out))
        yield out
