"""What several people do with one finished pipeline."""

import shutil
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


@pytest.fixture(scope="session")
def repository(finished, tmp_path_factory: pytest.TempPathFactory):
    """The finished pipeline as a git repository, as pix2z itself is one."""
    repository = copied(finished, tmp_path_factory.mktemp("team") / "repository")
    for name in (".gitignore", ".dvc/.gitignore", ".dvc/config", "MLproject"):
        shutil.copy(ROOT / name, repository.folder / name)
    repository.run("git", "init", "-q")
    repository.run("git", "config", "user.name", "somebody")
    repository.run("git", "config", "user.email", "somebody@example.org")
    commit(repository, "finished")
    return repository


def commit(repository, message: str) -> None:
    repository.run("git", "add", "-A")
    repository.run("git", "commit", "-qm", message)
