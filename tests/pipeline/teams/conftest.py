"""What several people do with one finished pipeline."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Neither the store nor what a clone has not got.
LEFT_OUT = ("mlflow.db*", "mlruns", ".checkpoints", ".studies", ".pix2z-workspace*", "tmp", "*.log")


def copied(finished, folder: Path, *left_out: str):
    """Copy the finished workspace without its store."""
    ignored = shutil.ignore_patterns(*LEFT_OUT, *left_out)
    shutil.copytree(finished.folder, folder, ignore=ignored)
    return type(finished)(folder)


def as_repository(finished, folder: Path):
    """Return a copy of the finished pipeline as a git repository, as pix2z itself is one."""
    repository = copied(finished, folder)
    for name in (".gitignore", ".dvc/.gitignore", ".dvc/config", "MLproject", "python_env.yaml"):
        shutil.copy(ROOT / name, repository.folder / name)
    repository.run("git", "init", "-q")
    repository.run("git", "config", "user.name", "somebody")
    repository.run("git", "config", "user.email", "somebody@example.org")
    commit(repository, "finished")
    return repository


@pytest.fixture(scope="session")
def repository(finished, tmp_path_factory: pytest.TempPathFactory):
    """The finished pipeline as a git repository."""
    return as_repository(finished, tmp_path_factory.mktemp("team") / "repository")


@pytest.fixture(scope="session")
def production(finished, tmp_path_factory: pytest.TempPathFactory):
    """The finished pipeline, just registered, and what the first `pix2z promote` in it said.

    ``before.db`` is the store before it.
    """
    workspace = copied(finished, tmp_path_factory.mktemp("production") / "copy", ".dvc")
    shutil.copy(ROOT / "MLproject", workspace.folder)
    shutil.copy(ROOT / "python_env.yaml", workspace.folder)
    workspace.run(sys.executable, "-m", "pix2z.stages.register")
    shutil.copy(workspace.folder / "mlflow.db", workspace.folder / "before.db")
    return workspace, workspace.run("pix2z", "promote")


def commit(repository, message: str) -> None:
    repository.run("git", "add", "-A")
    repository.run("git", "commit", "-qm", message)
