"""Pools here that the registry does not hold: a fresh store, or other files than before."""

from collections.abc import Iterable
from pathlib import Path

from pix2z.config.arms import read_arms
from pix2z.errors import InputError, Pix2zError
from pix2z.files import read_json
from pix2z.tracking.doctor.commands import register_command
from pix2z.tracking.doctor.finding import Finding, mend_command
from pix2z.tracking.doctor.registry_view import Registry
from pix2z.tracking.models import FINETUNED, MODELS
from pix2z.tracking.promotion.versions import PRODUCTION

__all__ = ["check_pools", "pool_digest", "pool_folders"]


def pool_folders(root: Path) -> dict[str, Path]:
    """Find pools: registered model -> folder, of arms in params.yaml and of fine-tuned models."""
    try:
        arms: Iterable[str] = read_arms(root / "params.yaml")
    except Pix2zError:
        arms = ()  # a stage says what is wrong with params.yaml
    folders = [root / MODELS / arm for arm in arms] + sorted((root / FINETUNED).glob("*"))
    return {
        f"{PRODUCTION}-{folder.name}": folder
        for folder in folders
        if (folder / "pool.json").is_file()
    }


def pool_digest(folder: Path) -> str | None:
    """Read the digest of a pool; None where pool.json has none."""
    try:
        digest: str | None = read_json(folder / "pool.json").get("digest")
    except (InputError, AttributeError):
        return None
    return digest


def check_pools(registry: Registry) -> list[Finding]:
    """Find pools that are no version: nothing can promote, compare or trace them."""
    known = {(v.name, v.tags.get("pool_digest")) for v in registry.versions}
    missing = {
        name: folder
        for name, folder in pool_folders(registry.root).items()
        if (name, pool_digest(folder)) not in known
    }
    finetuned = {n: f for n, f in missing.items() if f.parent.name == FINETUNED}
    arms = {name: folder for name, folder in missing.items() if name not in finetuned}
    findings = [_unregistered_arms(registry, arms)] if arms else []
    for folder in finetuned.values():
        name = f"{FINETUNED}/{folder.name}"
        why = "the registry has no version of it; the command registers it from its files"
        findings.append(
            Finding("a fine-tuned model is not registered", name, why, mend_command(name), name)
        )
    return findings


def _unregistered_arms(registry: Registry, arms: dict[str, Path]) -> Finding:
    places = ", ".join(str(folder.relative_to(registry.root)) for folder in arms.values())
    fresh = not registry.versions
    changed = sorted(name for name in arms if any(v.name == name for v in registry.versions))
    if fresh:
        what = "the store is fresh: it holds no version of the trained arms"
    elif changed:
        what = "models changed after they were registered, by `dvc checkout` or training"
    else:
        what = "trained arms are not registered"
    why = "`pix2z promote` and `mlflow ui` know nothing of these weights; the command adds them"
    return Finding(what, places, why, register_command(registry.root))
