"""The model card: what a version of a registered model says of itself, in markdown.

One template, templates/model_card.md.j2, for pools of redshift networks and for spectrum networks.
The card ends with the commands that make the version again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from pix2z.tracking.records import first_commit_with

__all__ = ["Card", "folder_digest", "metric_line", "render_card"]


@dataclass(frozen=True)
class Card:
    """What a model card says, apart from the commit that made the version."""

    kind: Literal["pool", "network"]
    """Of redshift networks, or a spectrum network: their limits and uses differ."""
    uri: str
    """What MLflow loads it by."""
    what: str
    """What the version is."""
    data: str
    """What it was trained on."""
    measured: str
    """On what its metrics were measured, in words."""
    metrics: tuple[str, ...]
    """A line per metric; none where it was not measured."""
    z_range: tuple[float, float]
    """Redshifts that it can give."""
    command: str
    """The stage of dvc.yaml that trains it, or the whole command where `out` is empty."""
    wavelength_range: tuple[float, float] = (0.0, 0.0)
    """Wavelengths of its spectra, in Angstrom; not used of a pool."""
    is_clipped: bool = False
    """Whether training left out the galaxies beyond 2 sigma of the mean redshift."""
    remark: str = ""
    """What else is to be said of it."""
    out: str = ""
    """The output of DVC that it is, below the root; empty where DVC did not make it."""


def metric_line(words: str, value: float, others: Mapping[str, float | None]) -> str:
    """Return a metric beside the same of other models; those that are None are left out.

    MLflow shows tables without any space between their columns, so each metric has a line.
    """
    beside = (f"{name} {other:.4f}" for name, other in others.items() if other is not None)
    return ", ".join([f"{words}: **{value:.4f}**", *beside])


def render_card(card: Card, root: Path, *, run_tags: Mapping[str, str]) -> str:
    """Return the card in markdown.

    Parameters
    ----------
    root : of the repository; its history is asked for the commit that holds the version.
    run_tags : of the run that owns the version; `git_commit` and `git_dirty` tell what made it.
    """
    environment = Environment(
        loader=PackageLoader("pix2z.tracking"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # markdown, shown by MLflow, which escapes it
    )
    template = environment.get_template("model_card.md.j2")
    return template.render(
        card=card,
        commands=_commands(card, root, run_tags),
        altered=run_tags.get("git_dirty") == "true",
    ).strip()


def _commands(card: Card, root: Path, run_tags: Mapping[str, str]) -> list[str]:
    """Commands that make the version again; none where no commit is known.

    The results of a run are committed after it. Once they are, that commit has the very inputs of
    the training in its dvc.lock, and the training alone is repeated; until then DVC has to find out
    what else is to be made, from the commit of the code.
    """
    made_by, preset = run_tags.get("git_commit", ""), run_tags.get("workspace_preset")
    if not card.out:
        return [f"git checkout {made_by}", card.command] if made_by else []
    digest = folder_digest(root / card.out)
    if holds_it := first_commit_with(root, digest, path="dvc.lock"):
        return [f"git checkout {holds_it}", "dvc pull", f"dvc repro -f -s {card.command}"]
    if made_by and preset:  # in a folder of its own, which is not under git
        workspace = f"build/{preset}"
        made = [f"pix2z workspace {workspace} --preset {preset}", f"cd {workspace}"]
        return [f"git checkout {made_by}", *made, f"dvc repro {card.command}"]
    if made_by:
        return [f"git checkout {made_by}", "dvc pull --allow-missing", f"dvc repro {card.command}"]
    return []


def folder_digest(folder: Path) -> str:
    """Digest of a folder as dvc.lock has it, ``<md5>.dir``; what a kill left is passed over."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    kept = {
        path.relative_to(folder).as_posix(): path
        for path in paths
        if not path.name.startswith(".partial-")
    }
    listed = [{"md5": _md5(kept[name].read_bytes()), "relpath": name} for name in sorted(kept)]
    return f"{_md5(json.dumps(listed, sort_keys=True).encode())}.dir"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
