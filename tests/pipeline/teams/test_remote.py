"""A DVC remote: what one pushes, another one has after a clone, a pull and seconds."""

import re
import sqlite3
from pathlib import Path

import pytest

from tests.pipeline.teams.conftest import commit


def rows(folder: Path, query: str) -> list[tuple]:
    with sqlite3.connect(folder / "mlflow.db") as store:
        return sorted(store.execute(query))


RUNS = "SELECT value FROM tags WHERE key = 'record_digest'"
VERSIONS = """
SELECT name, value FROM model_version_tags WHERE key = 'pool_digest' AND name LIKE 'pix2z-%'
"""


@pytest.fixture(scope="module")
def clone(repository, tmp_path_factory):
    """A fresh clone, and what `dvc repro` said in it after `dvc pull`."""
    folder = tmp_path_factory.mktemp("other")
    repository.run("dvc", "remote", "add", "-q", "-d", "team", str(folder / "remote"))
    assert "pushed" in repository.run("dvc", "push")
    commit(repository, "a remote")
    repository.run("git", "clone", "-q", str(repository.folder), str(folder / "clone"))
    clone = type(repository)(folder / "clone")
    assert not (clone.folder / "models").exists()
    clone.run("dvc", "pull")
    return clone, clone.repro()


def test_only_register_runs_in_a_fresh_clone(clone):
    workspace, output = clone
    assert re.findall(r"Running stage '([^']+)'", output) == ["register"]
    assert workspace.run("git", "status", "--porcelain") == ""


def test_the_store_of_the_clone_is_that_of_whoever_pushed(clone, finished):
    """Runs are known by the digests of their files, versions by those of their weights."""
    folder = clone[0].folder
    assert rows(folder, RUNS)
    assert set(rows(folder, RUNS)) <= set(rows(finished.folder, RUNS))
    assert len(rows(folder, VERSIONS)) == 5
    assert set(rows(folder, VERSIONS)) == set(rows(finished.folder, VERSIONS))


def test_weights_and_report_came_along(clone, finished):
    for name in ("models/full/seed-1/weights.weights.h5", "reports/report.html"):
        assert (clone[0].folder / name).read_bytes() == (finished.folder / name).read_bytes()
