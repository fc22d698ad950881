import subprocess
from dataclasses import replace

import pytest

from pix2z.tracking.commits import code_tags, first_commit_with
from pix2z.tracking.records import RunRecord, as_params, content_digest, numbers


def test_settings_become_flat_text():
    nested = {"grid": {"n_bins": 180}, "widths": [1, 2], "name": "hybrid", "on": True}
    assert as_params(nested) == {
        "grid.n_bins": "180",
        "widths": "[1, 2]",
        "name": "hybrid",
        "on": "true",
    }


def test_only_numbers_become_metrics():
    mixed = {"mae": {"value": 0.1, "low": None}, "r2": None, "n": 3, "on": True, "words": "no"}
    assert numbers(mixed) == {"mae": 0.1, "n": 3.0}


@pytest.fixture
def record(tmp_path):
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"one")
    metrics = {"mae": 0.1}
    return RunRecord(
        key="k",
        name="a run",
        description="",
        started=0.0,
        seconds=1.0,
        metrics=metrics,
        artifacts={figure: "figures"},
    )


@pytest.mark.parametrize("change", [{"metrics": {"mae": 0.2}}, {"name": "b"}, {"tags": {"a": "b"}}])
def test_the_content_digest_follows_what_may_change(record, change):
    assert content_digest(replace(record, **change)) != content_digest(record)


def test_the_content_digest_follows_the_content_of_artifacts(record):
    before = content_digest(record)
    (figure,) = record.artifacts
    figure.write_bytes(b"one")
    assert content_digest(record) == before
    figure.write_bytes(b"two")
    assert content_digest(record) != before


def test_the_content_digest_does_not_follow_the_clock(record):
    assert content_digest(replace(record, started=5.0, seconds=9.0)) == content_digest(record)


def git(folder, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *who, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_code_is_dirty_when_source_or_parameters_differ_from_the_commit(tmp_path):
    assert code_tags(tmp_path) == {}
    git(tmp_path, "init")
    (tmp_path / "src").mkdir()
    for name in ("params.yaml", "dvc.lock", "src/a.py"):
        (tmp_path / name).write_text("a: 1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    tags = code_tags(tmp_path / "src")
    assert (tags["git_commit"], tags["git_dirty"]) == (git(tmp_path, "rev-parse", "HEAD"), "false")
    (tmp_path / "dvc.lock").write_text("written by the run itself")
    assert code_tags(tmp_path)["git_dirty"] == "false"
    (tmp_path / "src" / "new.py").touch()
    assert code_tags(tmp_path)["git_dirty"] == "true"


def test_the_first_commit_with_a_text_is_found_also_when_a_later_one_has_lost_it(tmp_path):
    assert first_commit_with(tmp_path, "b2", path="dvc.lock") == ""
    git(tmp_path, "init")
    for content in ("a1", "a1 b2", "a1 b2 c3", "d4"):
        (tmp_path / "dvc.lock").write_text(content)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", content)
    commit = first_commit_with(tmp_path, "b2", path="dvc.lock")
    assert git(tmp_path, "log", "-1", "--format=%s", commit) == "a1 b2"
    assert first_commit_with(tmp_path, "e5", path="dvc.lock") == ""
