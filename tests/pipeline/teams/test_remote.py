"""A DVC remote: what one pushes, another one has after a clone, a pull and seconds."""

import re
import sqlite3
from pathlib import Path

import pytest

from tests.pipeline.teams.conftest import as_repository, commit

pytestmark = pytest.mark.long

RUNS = "SELECT name FROM runs"
VERSIONS = """
SELECT name, value FROM model_version_tags WHERE key = 'pool_digest' AND name LIKE 'pix2z-%'
"""


def rows(folder: Path, query: str) -> list[tuple]:
    with sqlite3.connect(folder / "mlflow.db") as store:
        return sorted(store.execute(query))


@pytest.fixture(scope="module")
def pusher(finished, tmp_path_factory):
    """Somebody who has run the pipeline, with a store and a remote, and has pushed all of it."""
    folder = tmp_path_factory.mktemp("pusher")
    pusher = as_repository(finished, folder / "repository")
    pusher.repro()
    pusher.run("dvc", "remote", "add", "-q", "-d", "team", str(folder / "remote"))
    assert "pushed" in pusher.run("dvc", "push")
    commit(pusher, "a remote")
    return pusher


@pytest.fixture(scope="module")
def clone(pusher, tmp_path_factory):
    """A fresh clone, and what `dvc repro` said in it after `dvc pull`."""
    folder = tmp_path_factory.mktemp("other") / "clone"
    pusher.run("git", "clone", "-q", str(pusher.folder), str(folder))
    clone = type(pusher)(folder)
    assert not (folder / "models").exists()
    assert not (folder / "mlflow.db").exists()
    clone.run("dvc", "pull")
    return clone, clone.repro()


def test_only_register_runs_in_a_fresh_clone(clone):
    workspace, output = clone
    assert re.findall(r"Running stage '([^']+)'", output) == ["register"]
    assert workspace.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("query", [RUNS, VERSIONS], ids=["runs", "versions"])
def test_the_store_of_the_clone_is_that_of_whoever_pushed(clone, pusher, query):
    of_clone = rows(clone[0].folder, query)
    assert len(of_clone) >= 3  # one of each arm at least
    assert of_clone == rows(pusher.folder, query)


def test_weights_and_report_came_along(clone, pusher):
    for name in ("models/full/seed-1/weights.weights.h5", "reports/report.html"):
        assert (clone[0].folder / name).read_bytes() == (pusher.folder / name).read_bytes()
