"""What several people do with one finished pipeline."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pix2z.tracking.promotion.candidate import CONTROLS

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


def commit(repository, message: str) -> None:
    repository.run("git", "add", "-A")
    repository.run("git", "commit", "-qm", message)


@dataclass(frozen=True)
class Team:
    """A workspace whose commands use one store."""

    workspace: Any
    uri: str

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command; return what it printed."""
        return self.workspace.run("env", f"MLFLOW_TRACKING_URI={self.uri}", *command, code=code)

    def history(self) -> list[dict[str, Any]]:
        """Return the events of the audit trail, the oldest first."""
        return json.loads(self.run("pix2z", "history", "--json"))

    def aliases(self) -> dict[str, list[str]]:
        """Return version -> its aliases, of the versions that have some."""
        listed = json.loads(self.run("pix2z", "models", "--json"))
        return {v["uri"].removeprefix("models:/"): v["aliases"] for v in listed if v["aliases"]}


def at_once(team: Team) -> None:
    """Register twice at the same time; both must succeed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = {**team.workspace.environment(), "MLFLOW_TRACKING_URI": team.uri}
    command, folder = [sys.executable, "-m", "pix2z.stages.register"], team.workspace.folder
    both = [subprocess.Popen(command, cwd=folder, env=environment, **pipes) for _ in range(2)]
    printed = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed


def arms_by_crps(workspace) -> list[str]:
    """Return the arms among which `pix2z promote` chooses, the best first."""
    compared = json.loads((workspace.folder / "reports/compare.json").read_text())["arms"]
    chosen_among = [arm for arm in compared if arm not in CONTROLS]
    return sorted(chosen_among, key=lambda arm: compared[arm]["whole"]["crps"]["value"])


def promote_and_go_back(team: Team) -> None:
    """Promote the worst arm, the best one, and the former again; the store and the trail say so."""
    best, *_, worst = arms_by_crps(team.workspace)
    team.run("pix2z", "promote", worst)
    team.run("pix2z", "promote", best)
    team.run("pix2z", "rollback")
    assert team.aliases() == {"pix2z/1": ["champion"], "pix2z/2": ["previous"]}
    assert [event["action"] for event in team.history()] == ["promote", "promote", "rollback"]


@pytest.fixture(scope="session")
def repository(finished, tmp_path_factory: pytest.TempPathFactory):
    """The finished pipeline as a git repository."""
    return as_repository(finished, tmp_path_factory.mktemp("team") / "repository")


@pytest.fixture(scope="session")
def registered_copy(finished, tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """Return a function that copies the finished pipeline and registers it, twice at once.

    Every copy has promotions of its own: they are in a file beside the pipeline.
    """

    def make(name: str, uri: str = "") -> Team:
        workspace = copied(finished, tmp_path_factory.mktemp(name) / "copy", ".dvc")
        for file in ("MLproject", "python_env.yaml"):
            shutil.copy(ROOT / file, workspace.folder)
        team = Team(workspace, uri or f"sqlite:///{workspace.folder}/mlflow.db")
        at_once(team)
        return team

    return make


@pytest.fixture(scope="session")
def production(registered_copy) -> tuple[Team, str]:
    """The finished pipeline, registered, and what the first `pix2z promote` in it printed."""
    team = registered_copy("production")
    return team, team.run("pix2z", "promote")
