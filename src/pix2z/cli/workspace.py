"""``pix2z workspace``: the same pipeline in a folder of its own, with a preset's parameters."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pix2z.errors import InputError, ParamsError

__all__ = ["make_workspace", "merge", "workspace"]


def workspace(
    folder: Annotated[Path, typer.Argument(help="Folder to make or bring up to date.")],
    preset: Annotated[str, typer.Option(help="Name of a file in presets/, such as quick.")],
) -> None:
    """Copy code, dvc.yaml and params.yaml with a preset into a folder; run dvc repro there."""
    make_workspace(Path.cwd(), folder, preset=preset)


def make_workspace(root: Path, folder: Path, *, preset: str) -> None:
    """Make `folder` a DVC project of its own, from the checkout at `root`.

    What a former run there made is kept, so a second run is incremental.
    """
    import yaml

    from pix2z.config.section import read_params

    overlay_path = root / "presets" / f"{preset}.yaml"
    if not overlay_path.is_file():
        known = ", ".join(sorted(path.stem for path in (root / "presets").glob("*.yaml")))
        raise InputError(f"{overlay_path}: no such preset; expected one of {known or 'none'}")
    params = merge(
        read_params(root / "params.yaml"),
        yaml.safe_load(overlay_path.read_text(encoding="utf-8")),
        path=str(overlay_path),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy2(root / name, folder / name)
    shutil.rmtree(folder / "src", ignore_errors=True)
    shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    if not (folder / ".dvc").exists():
        dvc = [sys.executable, "-m", "dvc"]
        subprocess.run([*dvc, "init", "-q", "--no-scm", "-f"], cwd=folder, check=True)
    config = (root / ".dvc" / "config").read_text(encoding="utf-8")
    config = config.replace("[core]", "[core]\n    no_scm = true", 1)
    (folder / ".dvc" / "config").write_text(config, encoding="utf-8")


def merge(base: dict[str, Any], overlay: dict[str, Any], *, path: str) -> dict[str, Any]:
    """Put the values of `overlay` into `base`; a key that `base` has not raises ParamsError."""
    merged = dict(base)
    for key, value in overlay.items():
        if key not in base:
            raise ParamsError(f"{path}: key {key!r} is not in params.yaml")
        if isinstance(value, dict) and isinstance(base[key], dict):
            merged[key] = merge(base[key], value, path=path)
        else:
            merged[key] = value
    return merged
