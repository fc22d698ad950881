"""The commands on a model card: those of the commit that holds the version, once there is one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pix2z.tracking.commits import WORKSPACE_CODE, output_digest
from pix2z.tracking.register import register
from tests.tracking.conftest import git

REPOSITORY = Path(__file__).parents[2]
TRAIN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.tracking.conftest import write_member, write_pool
galaxies = Path("data/galaxies.h5").read_bytes()
for seed in (1, 2):
    write_member(Path("models"), "full", seed, galaxies + bytes([seed]))
write_pool(Path("models"), "full")
"""
STAGES = {
    "ingest": {
        "cmd": "mkdir -p data && cp raw.txt data/galaxies.h5",
        "deps": ["raw.txt"],
        "outs": ["data"],
    },
    "train": {
        "cmd": f"{sys.executable} train.py {REPOSITORY}",
        "deps": ["data/galaxies.h5", "train.py"],
        "outs": ["models"],
    },
}


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
    root, arms, client, commit, empty_database
):
    made_by = commit(params__yaml="a: 1")
    register(root, arms)
    assert commands(client) == [
        f"git checkout {made_by}",
        "dvc pull --allow-missing",
        "dvc repro train",
    ]
    holds_it = commit(dvc__lock=f"md5: {output_digest(root / 'models')}")
    commit(dvc__lock="md5: of other results", params__yaml="a: 2")
    register(root, arms)
    assert commands(client) == [
        f"git checkout {holds_it}",
        "dvc pull",
        "dvc repro -f -s train",
    ]
    assert client.get_model_version("pix2z-full", "1").tags["git_commit"] == made_by

    # A store that is filled again knows no other commit than that of the results.
    shutil.copy(empty_database, root / "mlflow.db")
    register(root, arms)
    version = client.get_model_version("pix2z-full", "1")
    of_run = client.get_run(version.run_id).data.tags
    assert version.tags["git_commit"] == of_run["git_commit"] == holds_it
    assert "git_dirty" not in version.tags


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
        "dvc repro train",
    ]


@pytest.mark.long
def test_a_version_is_made_again_by_the_commands_on_its_card(root, arms, client, monkeypatch):
    def run(*command: str) -> None:
        subprocess.run([sys.executable, "-m", *command], cwd=root, check=True)

    def commit(words: str) -> None:
        git(root, "add", "-A")
        git(root, "commit", "-m", words)

    full = {"full": arms["full"]}
    for folder in ("data", "models"):
        shutil.rmtree(root / folder)
    (root / "data").mkdir()
    (root / "train.py").write_text(TRAIN)
    (root / "raw.txt").write_text("galaxies")
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (root / ".gitignore").write_text("/mlflow.db*\n/mlruns\n/models\n/data\n/remote\n")
    git(root, "init")
    run("dvc", "init", "-q")
    run("dvc", "remote", "add", "-q", "-d", "storage", "remote")
    commit("code")
    run("dvc", "repro", "-q")
    register(root, full)
    commit("results")
    run("dvc", "push", "-q")
    register(root, full)
    made = json.loads((root / "models/full/pool.json").read_text())
    asked = commands(client)

    (root / "raw.txt").write_text("other galaxies")
    run("dvc", "repro", "-q")
    register(root, full)
    commit("other results")
    assert json.loads((root / "models/full/pool.json").read_text()) != made
    for path in ("data", "models", ".dvc/cache"):
        shutil.rmtree(root / path)

    assert len(asked) == 3
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    subprocess.run(["bash", "-ec", "\n".join(asked)], cwd=root, check=True)
    assert json.loads((root / "models/full/pool.json").read_text()) == made
    version = client.get_model_version("pix2z-full", "1")
    assert version.tags["pool_digest"] == made["digest"]
