import hashlib
import subprocess

import yaml

from pix2z.tracking.records import code_tags, data_digest, recorded_digests


def git(folder, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_code_is_dirty_when_source_or_parameters_differ_from_the_commit(tmp_path):
    assert code_tags(tmp_path) == {}
    git(tmp_path, "init")
    (tmp_path / "src").mkdir()
    for name in ("params.yaml", "dvc.lock", "src/a.py"):
        (tmp_path / name).write_text("a: 1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    tags = code_tags(tmp_path / "src")
    assert len(tags["git_commit"]) == 40
    assert tags["git_dirty"] == "false"
    (tmp_path / "dvc.lock").write_text("written by the run itself")
    assert code_tags(tmp_path)["git_dirty"] == "false"
    (tmp_path / "src" / "new.py").touch()
    assert code_tags(tmp_path)["git_dirty"] == "true"


def test_a_digest_is_the_one_that_dvc_recorded_else_sha256(tmp_path):
    stages = {
        "ingest": {"cmd": "a", "outs": [{"path": "data/galaxies.h5", "md5": "abc", "size": 1}]},
        "check": {"cmd": "b", "deps": [{"path": "data/other.h5", "md5": "def"}]},
    }
    lock = tmp_path / "dvc.lock"
    assert recorded_digests(lock) == {}
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    recorded = recorded_digests(lock)
    assert recorded == {"data/galaxies.h5": "md5:abc"}
    assert data_digest(tmp_path, "data/galaxies.h5", recorded) == "md5:abc"
    expected = hashlib.sha256(lock.read_bytes()).hexdigest()
    assert data_digest(tmp_path, "dvc.lock", recorded) == f"sha256:{expected}"
