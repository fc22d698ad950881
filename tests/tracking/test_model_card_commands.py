"""The commands that a model card prints make the version again: in a small repository, once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pix2z.tracking.register import register
from tests.tracking.test_cards import commands
from tests.tracking.test_records import git

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
        "foreach": ["full"],
        "do": {
            "cmd": f"{sys.executable} train.py {REPOSITORY}",
            "deps": ["data/galaxies.h5", "train.py"],
            "outs": ["models/${item}"],
        },
    },
}


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
