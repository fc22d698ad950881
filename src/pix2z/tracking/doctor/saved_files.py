"""Files of the repository: altered networks, what killed processes left, half-made workspaces."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from pix2z.errors import InputError, IntegrityError
from pix2z.network.saved_json import check_pool
from pix2z.tracking.doctor.altered_pools import mend_altered
from pix2z.tracking.doctor.commands import shell
from pix2z.tracking.doctor.finding import Finding
from pix2z.tracking.models import FINETUNED, MODELS

__all__ = ["check_leftovers", "check_saved_pools", "check_workspaces"]

PARTIAL = ".partial-"
MARKER = ".pix2z-workspace"
_PASSED_OVER = {".git", ".dvc", ".venv", "build", "mlruns", "node_modules", "__pycache__"}
_IN_USE_SECONDS = 600
"""A file that was written within this time may still be."""


def check_saved_pools(root: Path) -> list[Finding]:
    """Find networks whose files are not what was saved; they are refused wherever they are read."""
    findings = []
    for folder in [*_folders(root / MODELS), *_folders(root / FINETUNED)]:
        try:
            check_pool(folder)
        except (IntegrityError, InputError) as error:
            findings.append(mend_altered(root, folder, str(error)))
    return findings


def _folders(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.glob("*/pool.json"))


def check_leftovers(root: Path) -> list[Finding]:
    """Find what killed processes left half-written."""
    findings = []
    for path in _partials(root):
        if path.with_name(f"{path.name}.version.json").exists():
            why = "`pix2z fetch` goes on from it"
            what = "a download was interrupted"
            findings.append(Finding(what, str(path), why, is_fault=False))
        elif path.name.endswith(".version.json"):
            continue
        elif time.time() - _last_written(path) > _IN_USE_SECONDS:
            where = path.relative_to(root)
            why = "it takes space, and nothing reads it; the next run of the same writes it anew"
            what = "a killed process left half-written files"
            findings.append(Finding(what, str(where), why, shell("rm", "-rf", where)))
        else:
            why = "a process writes it, or was killed less than 10 minutes ago"
            findings.append(Finding("files are being written", str(path), why, is_fault=False))
    return findings


def _partials(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        found = [name for name in (*folders, *files) if name.startswith(PARTIAL)]
        yield from (Path(folder) / name for name in sorted(found))
        folders[:] = [f for f in folders if f not in _PASSED_OVER and f not in found]


def _last_written(path: Path) -> float:
    """When a file, or the newest file in a folder, was written."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    times = [p.stat().st_mtime for p in paths if p.exists()]
    return max(times, default=0.0)


def check_workspaces(root: Path) -> list[Finding]:
    """Find workspaces under build/ that were killed while they were made."""
    findings = []
    for marker in sorted((root / "build").glob(f"*/{MARKER}")):
        folder = marker.parent
        needed = ("params.yaml", "dvc.yaml", "src/pix2z", ".dvc/config")
        missing = [name for name in needed if not (folder / name).exists()]
        if missing:
            preset = marker.read_text(encoding="utf-8").strip()
            where = folder.relative_to(root)
            findings.append(
                Finding(
                    "a workspace is half made",
                    f"{where} lacks {', '.join(missing)}",
                    "`dvc repro` fails there; the command completes it and keeps what is there",
                    shell("pix2z", "workspace", where, "--preset", preset),
                )
            )
    return findings
