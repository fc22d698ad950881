"""Outputs of the pipeline: in the folder, in DVC's cache, and pushed to the remote."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pix2z.errors import Pix2zError
from pix2z.tracking.doctor.altered_pools import bring_back
from pix2z.tracking.doctor.commands import shell
from pix2z.tracking.doctor.finding import Finding
from pix2z.tracking.dvc_cache import default_remote, run_dvc
from pix2z.tracking.models import MODELS
from pix2z.tracking.pipeline_record import read_lock

__all__ = ["check_data"]


def check_data(root: Path) -> list[Finding]:
    """Find outputs of dvc.lock that are missing, altered, or not pushed."""
    if not (root / "dvc.lock").exists():
        return []
    try:
        remote = default_remote(root)
        arguments = ["--not-in-remote"] if remote else []
        said = json.loads(run_dvc(root, "data", "status", "--json", *arguments))
    except (Pix2zError, ValueError) as error:
        return [
            Finding(
                "DVC does not say how its data are",
                str(root / ".dvc"),
                f"{error}; this may be a `dvc repro` under way. The command shows it again",
                "dvc data status",
            )
        ]
    changed = said.get("uncommitted", {})
    deleted, modified = (_paths(root, changed.get(kind, ())) for kind in ("deleted", "modified"))
    uncached = _paths(root, said.get("not_in_cache", ()))
    gone = [path for path in uncached if path in deleted]
    return [
        *_gone(root, gone, remote),
        *_not_cached([p for p in uncached if p not in deleted and p not in modified]),
        *_deleted([path for path in deleted if path not in uncached]),
        *(_modified(root, path) for path in modified),
        *_remote(_paths(root, said.get("not_in_remote", ())), gone, remote),
    ]


def _paths(root: Path, listed: Iterable[str]) -> list[str]:
    """Pick the outputs of dvc.lock that DVC lists; a file within a folder stands for it."""
    outs = [out["path"] for entry in read_lock(root / "dvc.lock").values() for out in _outs(entry)]
    names = [path.rstrip("/") for path in listed]
    return [out for out in outs if any(n == out or n.startswith(f"{out}/") for n in names)]


def _outs(entry: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    outs: Iterable[Mapping[str, Any]] = entry.get("outs", ())
    return outs


def _gone(root: Path, paths: list[str], remote: str) -> list[Finding]:
    if not paths:
        return []
    where = ", ".join(paths)
    if remote:
        why = f"neither the folder nor DVC's cache has them; the command fetches them from {remote}"
        return [Finding("outputs are missing", where, why, shell("dvc", "pull", *paths))]
    stages = [
        name
        for name, entry in read_lock(root / "dvc.lock").items()
        if any(out["path"] in paths for out in _outs(entry))
    ]
    why = "neither the folder nor DVC's cache has them, and there is no remote: they are made again"
    return [Finding("outputs are missing", where, why, shell("dvc", "repro", *stages))]


def _not_cached(paths: list[str]) -> list[Finding]:
    if not paths:
        return []
    why = "they exist once only, and cannot be pushed or come back; the command caches them"
    return [
        Finding("outputs are not in DVC's cache", ", ".join(paths), why,
                shell("dvc", "commit", "-f", *paths))
    ]  # fmt: skip


def _deleted(paths: list[str]) -> list[Finding]:
    if not paths:
        return []
    why = "DVC's cache has them; the command puts them back"
    return [
        Finding("outputs were deleted", ", ".join(paths), why, shell("dvc", "checkout", *paths))
    ]


def _modified(root: Path, path: str) -> Finding:
    if path.startswith(f"{MODELS}/"):
        why = (
            "it was trained outside `dvc repro`: `dvc commit` keeps it, `dvc checkout --force` "
            "takes it back"
        )
        return Finding("an arm is not the one of dvc.lock", path, why, is_fault=False)
    why = "it is not what its stage made, so what was trained or measured on it cannot be trusted"
    return Finding("an output was altered", path, why, bring_back(root, path))


def _remote(unpushed: list[str], gone: list[str], remote: str) -> list[Finding]:
    if not remote:
        why = "data and models are on this disk only: `dvc remote add -d NAME URL`, then `dvc push`"
        return [Finding("DVC has no remote", "dvc config core.remote", why, is_fault=False)]
    paths = [path for path in unpushed if path not in gone]
    if not paths:
        return []
    why = (
        f"others cannot pull them, and this disk has the only copy; the command copies to {remote}"
    )
    return [Finding("outputs are not pushed", ", ".join(paths), why, "dvc push")]
