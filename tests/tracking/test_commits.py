import subprocess
import sys

import yaml

from pix2z.tracking.commits import code_tags, first_commit_with, output_digest
from tests.tracking.conftest import git


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


def test_files_and_folders_are_digested_as_dvc_does(tmp_path):
    files = {"b/two.txt": b"2\n", "a.json": b"{}", "b/é 1.bin": bytes(range(256))}
    for name, content in files.items():
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "compare.json").write_text("{}")
    for command in (["init", "-q", "--no-scm"], ["add", "-q", "models", "compare.json"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True)
    (tmp_path / "models/.partial-left.json").write_text("by a killed process")
    for name in ("models", "compare.json"):
        (out,) = yaml.safe_load((tmp_path / f"{name}.dvc").read_text())["outs"]
        assert output_digest(tmp_path / name) == out["md5"]
