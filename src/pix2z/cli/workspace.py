"""``pix2z workspace``: the same pipeline in a folder of its own, with a preset's parameters."""

import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from pix2z.cli.display import say
from pix2z.errors import InputError, ParamsError
from pix2z.files import atomic_path, named_write_errors, write_json
from pix2z.tracking.commits import WORKSPACE_CODE, code_tags

__all__ = ["MARKER", "make_workspace", "merge", "preset_params", "workspace"]

MARKER = ".pix2z-workspace"
"""File that tells a workspace from other folders; it names the preset."""


def workspace(
    folder: Annotated[Path, typer.Argument(help="Folder to make or bring up to date.")],
    preset: Annotated[str, typer.Option(help="Name of a file in presets/, such as quick.")],
) -> None:
    """Copy code, dvc.yaml and params.yaml with a preset into a folder; run dvc repro there."""
    from pix2z.tracking.checkout import repository_root

    make_workspace(repository_root(), folder, preset=preset)
    say(f"{folder} is a workspace with the preset {preset}.")
    say(f"Next: cd {shlex.quote(str(folder))} && dvc repro")


def make_workspace(root: Path, folder: Path, *, preset: str) -> None:
    """Make `folder` a DVC project of its own, from the checkout at `root`.

    What a former run there made is kept, so a second run is incremental.

    Raises
    ------
    InputError
        No such preset, `root` is a workspace, or `folder` holds what no run of this made.
    """
    if (root / MARKER).is_file():
        raise InputError(f"{root}: is a workspace itself; make another in its checkout, or --repo")
    params = preset_params(root, preset)
    _refuse_foreign(root, folder)
    folder.mkdir(parents=True, exist_ok=True)
    # First of all and in one go: its presence alone lets a killed run be repeated.
    with named_write_errors(folder / MARKER):
        (folder / MARKER).write_text(f"{preset}\n", encoding="utf-8")
    write_json(folder / WORKSPACE_CODE, {**code_tags(root), "workspace_preset": preset})
    for name in ("dvc.yaml", ".dvcignore"):
        with atomic_path(folder / name) as partial:
            shutil.copy2(root / name, partial)
    shutil.rmtree(folder / "src", ignore_errors=True)
    try:
        shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    except shutil.Error as error:  # of all files
        _, copy, why = error.args[0][0]
        raise InputError(f"{copy}: cannot be copied ({why})") from error
    with atomic_path(folder / "params.yaml") as partial:
        partial.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    # All that DVC needs to call the folder a project of its own; it makes the rest.
    config = (root / ".dvc" / "config").read_text(encoding="utf-8")
    with atomic_path(folder / ".dvc" / "config") as partial:
        text = config.replace("[core]", "[core]\n    no_scm = true", 1)
        partial.write_text(text, encoding="utf-8")


def preset_params(root: Path, preset: str) -> dict[str, Any]:
    """Return params.yaml of the checkout at `root` with a preset laid over it."""
    from pix2z.config.section import read_params, read_yaml

    path = root / "presets" / f"{preset}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in (root / "presets").glob("*.yaml")))
        raise InputError(f"{path}: no such preset; expected one of {known or 'none'}")
    return merge(read_params(root / "params.yaml"), read_yaml(path), path=str(path))


def _refuse_foreign(root: Path, folder: Path) -> None:
    """Raise InputError where a workspace in `folder` would overwrite what is not one."""
    if root.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: holds the repository itself; expected a folder of its own")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise InputError(f"{folder}: neither empty nor a workspace; it has no {MARKER}")


def merge(base: dict[str, Any], overlay: dict[str, Any], *, path: str) -> dict[str, Any]:
    """Put the values of `overlay` into `base`; null leaves out a mapping, such as an arm.

    Raises
    ------
    ParamsError
        `base` lacks a key.
    """
    merged = dict(base)
    for key, value in overlay.items():
        if key not in base:
            raise ParamsError(f"{path}: key {key!r} is not in params.yaml")
        if isinstance(value, dict) and isinstance(base[key], dict):
            merged[key] = merge(base[key], value, path=path)
        elif value is None and isinstance(base[key], dict):
            del merged[key]
        else:
            merged[key] = value
    return merged
