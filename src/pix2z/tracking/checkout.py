"""The checkout that commands work in: named, or found upwards from the working folder.

A checkout is a folder with params.yaml and dvc.yaml: the repository, a copy of it that DVC makes
for an experiment, or a workspace. Its models/, finetuned/ and mlflow.db are those that are meant
wherever the user stands. MLflow is not imported here.
"""

import os
from pathlib import Path

from pix2z.errors import InputError

__all__ = ["HOME", "find_root", "models_home", "repository_root", "use_repository"]

HOME = "PIX2Z_HOME"
"""Environment variable that names the checkout."""


def use_repository(folder: Path) -> None:
    """Let this process, and those that it starts, work in the checkout `folder`.

    Raises
    ------
    InputError
        It is none.
    """
    if not _is_checkout(folder):
        raise InputError(f"--repo {folder}: expected a folder with params.yaml and dvc.yaml")
    os.environ[HOME] = str(folder.resolve())
    os.environ.pop("DVC_ROOT", None)


def find_root() -> Path | None:
    """Return the checkout, absolute; None outside of any.

    It is `DVC_ROOT`, which DVC sets for the commands of its stages, else `PIX2Z_HOME`, else the
    nearest one from the working folder upwards.

    Raises
    ------
    InputError
        `PIX2Z_HOME` names a folder that is no checkout.
    """
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    if home := os.environ.get(HOME):
        if not _is_checkout(Path(home)):
            raise InputError(f"{HOME}={home}: expected a folder with params.yaml and dvc.yaml")
        return Path(home).resolve()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _is_checkout(folder)), None)


def repository_root() -> Path:
    """Return the checkout as `find_root` does; raise InputError outside of any."""
    root = find_root()
    if root is None:
        raise InputError(
            f"{Path.cwd()}: neither here nor above is a folder with params.yaml and dvc.yaml; "
            f"name one with --repo or {HOME}"
        )
    return root


def models_home() -> Path:
    """Return the folder below which models are named: the checkout, else the working folder.

    It is ``.`` where that is the working folder, so that messages stay short.
    """
    root = find_root()
    return Path() if root is None or root == Path.cwd() else root


def _is_checkout(folder: Path) -> bool:
    return (folder / "params.yaml").exists() and (folder / "dvc.yaml").exists()
