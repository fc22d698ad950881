"""A store and a study in PostgreSQL, as docs/teams.md has them."""

import re
import subprocess

import pytest

from tests.pipeline.teams import postgres
from tests.pipeline.teams.conftest import Team, arms_by_crps, at_once, copied, promote_and_go_back

pytestmark = [pytest.mark.long, pytest.mark.service]


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server with nothing in it."""
    why_not = postgres.install()
    assert why_not is None, why_not
    with postgres.running() as running:
        yield running


@pytest.fixture(scope="module")
def database(server) -> str:
    return server.create()


@pytest.fixture(scope="module")
def team(finished, server, database, tmp_path_factory):
    """The finished pipeline; one person has made the store, then two registered at once."""
    workspace = copied(finished, tmp_path_factory.mktemp("postgres") / "copy", ".dvc")
    team = Team(workspace, server.uri(database))
    team.run("python", "-c", "from pix2z.tracking.store import open_store; open_store()")
    at_once(team)
    return team


def count(server, database: str, what: str) -> int:
    return int(server.run("psql", "-qtA", "-d", database, "-c", f"SELECT COUNT(*) FROM {what}"))


def test_two_who_register_at_once_make_everything_once(team, server, database):
    seeds = "runs WHERE name LIKE '%, seed %'"
    assert count(server, database, seeds) == len(arms_by_crps(team.workspace))
    assert count(server, database, "model_versions WHERE version > 1") == 0
    assert count(server, database, "model_versions") >= len(arms_by_crps(team.workspace))


def test_promotion_and_the_way_back(team):
    promote_and_go_back(team)


def test_a_copy_of_the_database_is_the_store(team, server, database):
    """As docs/teams.md says a backup is made and brought back."""
    file = str(server.folder / f"{database}.dump")
    server.run("pg_dump", "-Fc", "-f", file, database)
    restored = server.create()
    server.run("pg_restore", "-d", restored, file)
    again = Team(team.workspace, server.uri(restored))
    at_once(again)
    assert (again.aliases(), again.history()) == (team.aliases(), team.history())
    for table in ("runs", "model_versions"):
        assert count(server, restored, table) == count(server, database, table)


def test_two_processes_share_one_study(team, server):
    environment = {
        **team.workspace.environment(),
        "MLFLOW_TRACKING_URI": team.uri,
        "PIX2Z_STUDY_STORAGE": server.uri(server.create()),
    }
    command = ["pix2z", "tune", "--trials", "5", "--epochs", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [
        subprocess.Popen(command, cwd=team.workspace.folder, env=environment, **pipes)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    trials = [number for text in printed for number in re.findall(r"^trial (\d+) ", text, re.M)]
    assert len(trials) == len(set(trials))  # none was trained twice
    assert len(trials) >= 4


@pytest.mark.parametrize(
    "command",
    [("python", "-m", "pix2z.stages.register"), ("pix2z", "models"), ("pix2z", "serve")],
)
def test_a_server_that_is_down_is_one_line_without_its_password(team, command):
    down = Team(team.workspace, "postgresql://ann:secret@127.0.0.1:1/mlflow")
    code = 1
    printed = down.run(*command, code=code)
    assert "secret" not in printed
    assert "postgresql://ann:***@127.0.0.1:1/mlflow" in printed
    assert "Traceback" not in printed
