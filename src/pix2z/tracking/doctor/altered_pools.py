"""How altered networks come back: from DVC's cache, from a remote, or by training again.

A user who may write anything alters DVC's cache through files that are linked to it; DVC takes what
lies there for the original then, and `dvc checkout` brings the altered file. So the cache is looked
at first.
"""

from pathlib import Path

from pix2z.errors import Pix2zError
from pix2z.tracking.doctor.commands import shell
from pix2z.tracking.doctor.finding import Finding
from pix2z.tracking.dvc_cache import cache_folder, cached_files, default_remote, is_altered
from pix2z.tracking.models import FINETUNED
from pix2z.tracking.pipeline_record import read_lock

__all__ = ["bring_back", "mend_altered"]


def mend_altered(root: Path, folder: Path, reason: str) -> Finding:
    """Say that a pool was altered, and how the original comes back."""
    where = folder.relative_to(root)
    what = "saved networks are not what was saved"
    if folder.parent.name == FINETUNED:
        why = f"{reason}; they are refused wherever they are read. Fine-tune again, once removed"
        return Finding(what, str(where), why, shell("rm", "-rf", where))
    why = f"{reason}; they are refused wherever they are read. The command brings the original back"
    return Finding(what, str(where), why, bring_back(root, str(where)))


def bring_back(root: Path, path: str) -> str:
    """Return the command that puts an output back as dvc.lock records it."""
    stage, md5 = _recorded(root, path)
    if not md5:
        return shell("rm", "-rf", path) + f" && dvc repro {stage or path}"
    try:
        objects = cached_files(cache_folder(root), md5).values()
        remote = default_remote(root)
    except Pix2zError:
        return shell("dvc", "checkout", "--force", path)
    bad = sorted({str(cached) for cached in objects if is_altered(cached)})
    missing = any(not cached.is_file() for cached in objects)
    if not bad and not missing:
        return shell("dvc", "checkout", "--force", path)
    # Without its objects DVC has to look for them, instead of taking what lies there.
    away = shell("rm", "-rf", path, *bad)
    return f"{away} && {shell('dvc', 'pull', path) if remote else f'dvc repro -s {stage}'}"


def _recorded(root: Path, path: str) -> tuple[str, str]:
    """Return the stage that makes an output, and its MD5; empty where dvc.lock has none."""
    for stage, entry in read_lock(root / "dvc.lock").items():
        for out in entry.get("outs", ()):
            if out["path"] == path:
                return stage, str(out["md5"])
    return "", ""
