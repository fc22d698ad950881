"""The commands on a model card: those of the commit that holds the version, once there is one."""

import json
import subprocess
import sys

import pytest
import yaml

from pix2z.tracking.commits import WORKSPACE_CODE, output_digest
from pix2z.tracking.register import register
from tests.tracking.test_records import git


def test_folders_are_digested_as_dvc_does(tmp_path):
    files = {"b/two.txt": b"2\n", "a.json": b"{}", "b/é 1.bin": bytes(range(256))}
    for name, content in files.items():
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for command in (["init", "-q", "--no-scm"], ["add", "-q", "models"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True)
    (out,) = yaml.safe_load((tmp_path / "models.dvc").read_text())["outs"]
    (tmp_path / "models/.partial-left.json").write_text("by a killed process")
    assert output_digest(tmp_path / "models") == out["md5"]


@pytest.fixture
def commit(root):
    """Commit files of the folder; return the commit."""
    git(root, "init")

    def made(**files: str) -> str:
        for name, content in files.items():
            path = root / name.replace("__", ".")
            path.write_text(content)
            git(root, "add", path.name)
        git(root, "commit", "-m", "more")
        return git(root, "rev-parse", "HEAD")

    return made


def commands(client, name="pix2z-full") -> list[str]:
    card = client.get_model_version(name, "1").description
    return card.partition("```bash\n")[2].partition("\n```")[0].splitlines()


def test_the_card_names_the_commit_of_the_code_and_then_that_which_holds_the_results(
    root, arms, client, commit
):
    made_by = commit(params__yaml="a: 1")
    register(root, arms)
    assert commands(client) == [
        f"git checkout {made_by}",
        "dvc pull --allow-missing",
        "dvc repro train@full",
    ]
    holds_it = commit(dvc__lock=f"md5: {output_digest(root / 'models/full')}")
    commit(dvc__lock="md5: of other results", params__yaml="a: 2")
    register(root, arms)
    assert commands(client) == [
        f"git checkout {holds_it}",
        "dvc pull",
        "dvc repro -f -s train@full",
    ]
    assert client.get_model_version("pix2z-full", "1").tags["git_commit"] == made_by


def test_the_card_says_where_the_code_was_altered_or_no_commit_is_known(root, arms, client, commit):
    register(root, {"full": arms["full"]})
    assert (
        "outside git: no commit is known" in client.get_model_version("pix2z-full", "1").description
    )
    commit(params__yaml="a: 1")
    (root / "params.yaml").write_text("a: 2")
    register(root, arms)
    altered = "Code or parameters differed from the commit"
    assert altered in client.get_model_version("pix2z-published_full", "1").description
    assert altered not in client.get_model_version("pix2z-full", "1").description


def test_the_card_of_a_workspace_makes_the_workspace_again(root, arms, client):
    code = {"git_commit": "0123abc", "git_dirty": "false", "workspace_preset": "quick"}
    (root / WORKSPACE_CODE).write_text(json.dumps(code))
    register(root, {"full": arms["full"]})
    assert commands(client) == [
        "git checkout 0123abc",
        "pix2z workspace build/quick --preset quick",
        "cd build/quick",
        "dvc repro train@full",
    ]
