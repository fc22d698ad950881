"""The commands that are printed are run, in a small repository that trains by a shell command."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pix2z.files import file_digest
from pix2z.tracking.pipeline_record import entry_digest, read_lock, stage_chain
from pix2z.tracking.reproduction import arm_recipe, finetuned_recipe
from pix2z.tracking.version_lineage import VersionLineage

WEIGHTS = "models/full/seed-1/weights.weights.h5"
STAGES = {
    "ingest": {
        "cmd": "mkdir -p data && cp raw.txt data/galaxies.h5",
        "deps": ["raw.txt", "src/read.py"],
        "outs": ["data/galaxies.h5"],
    },
    "train": {
        "foreach": {"full": {}},
        "do": {
            "cmd": f"mkdir -p models/full/seed-1 && "
            f"cat src/train.py src/room/* params.yaml data/galaxies.h5 > {WEIGHTS}",
            "deps": ["data/galaxies.h5", "src/train.py", "src/room"],
            "params": ["hybrid", "pdf.n_bins"],
            "outs": ["models/full"],
        },
    },
}
PARAMS = {"hybrid": {"dropout": 0.1, "units": [4, 8]}, "pdf": {"n_bins": 60, "z_max": 0.4}}


def run(folder: Path, *words: str) -> str:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_"))}
    done = subprocess.run(
        words, cwd=folder, env={**kept, "PATH": tools}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def commit(root: Path) -> str:
    run(root, "git", "add", "-A")
    run(root, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "state")
    return run(root, "git", "rev-parse", "HEAD")


def write_params(root: Path, params) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A repository with all files committed, nothing run yet."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    root = tmp_path / "here"
    (root / "src/room").mkdir(parents=True)
    for name in ("src/read.py", "src/train.py", "src/room/a.py", "src/room/b.py", "raw.txt"):
        (root / name).write_text(f"{name}\n")
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    write_params(root, PARAMS)
    (root / ".gitignore").write_text("/data\n/models\n")
    run(root, "git", "init", "-q")
    run(root, "dvc", "init", "-q")
    commit(root)
    return root


def trained(root: Path, **known) -> VersionLineage:
    """Train, and return the lineage that registering would have recorded."""
    run(root, "dvc", "repro", "-q", "train@full")
    stages = stage_chain(read_lock(root / "dvc.lock"), "train@full")
    digests = {d["path"]: (f"md5:{d['md5']}",) for e in stages.values() for d in e["deps"]}
    found = {
        "version": "pix2z-full/2",
        "aliases": (),
        "copy_of": None,
        "registered": 0.0,
        "arm": "full",
        "architecture": "hybrid",
        "selection": "full",
        "pool_digest": "0" * 64,
        "base_pool_digest": None,
        "weights": {"seed-1": file_digest(root / WEIGHTS)},
        "test_digest": None,
        "data": {path: d for path, d in digests.items() if path in ("raw.txt", "data/galaxies.h5")},
        "raw": {"name": "raw.txt", "source": "made-up galaxies"},
        "commit": run(root, "git", "rev-parse", "HEAD"),
        "dirty": False,
        "preset": None,
        "stage": "train@full",
        "lock_digest": entry_digest(stages["train@full"]),
        "stages": stages,
    }
    return VersionLineage(**{**found, **known})


def made_again(root: Path, recipe) -> bool:
    """Run the printed commands, installing left out; whether the digests are the expected ones."""
    left_out = ("make ", "export PATH")
    lines = [line for line in recipe.commands if not line.startswith(left_out)]
    assert len(recipe.commands) - len(lines) == 2
    out = run(root, "bash", "-c", "\n".join(["set -e", *lines]))
    shown = dict(reversed(line.split("  ", 1)) for line in out.splitlines() if "  models/" in line)
    return all(recipe.expected[path] == f"sha256:{digest}" for path, digest in shown.items())


def test_a_committed_version_is_made_again(root):
    recipe = arm_recipe(trained(root), root=root)
    assert "clean: every file of code that made this version is in it" in recipe.remarks[0]
    assert recipe.expected[WEIGHTS].startswith("sha256:")
    assert recipe.expected["data/galaxies.h5"].startswith("md5:")
    (root / "src/train.py").write_text("something else by now\n")
    (root / "data/galaxies.h5").unlink()
    assert made_again(root, recipe)


def test_code_that_was_never_committed_is_copied_where_it_is_still_here(root):
    (root / "src/train.py").write_text("changed\n")
    (root / "src/room/b.py").write_text("changed too\n")
    recipe = arm_recipe(trained(root, dirty=True), root=root)
    assert "2 files of code were not as committed" in recipe.remarks[0]
    assert any("src/train.py: it is here" in remark for remark in recipe.remarks)
    assert made_again(root, recipe)


def test_code_that_is_gone_is_said_to_be(root):
    (root / "src/train.py").write_text("changed\n")
    found = trained(root, dirty=True)
    (root / "src/train.py").write_text("changed again\n")
    recipe = arm_recipe(found, root=root)
    assert "src/train.py: that content is not here any more" in recipe.remarks
    assert not made_again(root, recipe)


def test_changes_beside_the_training_do_not_matter(root):
    (root / "src/other.py").write_text("not read by these stages\n")
    recipe = arm_recipe(trained(root, dirty=True), root=root)
    assert "was not clean, but every file of code" in recipe.remarks[0]


def test_parameters_that_were_never_committed_are_written(root):
    write_params(root, {**PARAMS, "hybrid": {"dropout": 0.25, "units": [4, 8, 16]}})
    recipe = arm_recipe(trained(root, dirty=True), root=root)
    assert "hybrid.dropout was 0.25, not as committed" in recipe.remarks
    assert "hybrid.units was [4, 8, 16], not as committed" in recipe.remarks
    write_params(root, PARAMS)
    assert made_again(root, recipe)


def test_data_that_a_remote_has_are_pulled(root, tmp_path):
    run(root, "dvc", "remote", "add", "-q", "-d", "shared", str(tmp_path / "remote"))
    trained(root)
    run(root, "dvc", "push", "-q")
    commit(root)
    recipe = arm_recipe(trained(root), root=root)
    assert "dvc pull data/galaxies.h5" in recipe.commands
    (root / "raw.txt").write_text("lost")
    assert made_again(root, recipe)


def test_a_raw_file_that_no_stage_makes_is_named_and_copied(root):
    (root / ".gitignore").write_text("/data\n/models\n/raw.txt\n")
    run(root, "git", "rm", "-q", "--cached", "raw.txt")
    commit(root)
    found = trained(root)
    recipe = arm_recipe(found, root=root)
    assert any("raw.txt (md5:" in remark and "made-up" in remark for remark in recipe.remarks)
    assert made_again(root, recipe)
    (root / "raw.txt").unlink()
    recipe = arm_recipe(found, root=root)
    assert any("put it there first" in remark for remark in recipe.remarks)


def test_a_version_of_a_workspace_is_made_in_one(root):
    (root / "presets").mkdir()
    (root / "presets/small.yaml").write_text("hybrid: {dropout: 0.5}\n")
    commit(root)
    write_params(root, {**PARAMS, "hybrid": {"dropout": 0.5, "units": [4, 8]}})
    recipe = arm_recipe(trained(root, preset="small"), root=root)
    assert "pix2z workspace build/small --preset small" in recipe.commands
    assert "cd build/small" in recipe.commands
    assert not any("not as committed" in remark for remark in recipe.remarks)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"commit": None}, "the commit was not recorded"),
        ({"commit": "0" * 40}, "is not in this repository"),
        ({"stages": {}, "stage": None}, "it was clean"),
        ({"stages": {}, "stage": None, "dirty": True}, "changes that were not committed"),
    ],
)
def test_what_was_not_recorded_is_said(root, known, words):
    recipe = arm_recipe(replace(trained(root), **known), root=root)
    assert words in " ".join(recipe.remarks)
    assert "dvc repro train@full" in recipe.commands


def test_a_fine_tuned_version_names_file_base_and_layout(root):
    found = trained(root, arm="finetune mine", version="pix2z-mine/1", base_pool_digest="1" * 64)
    recipe = finetuned_recipe(
        found, base="pix2z-full/2", file="my file.h5", layout="hdf5", root=root
    )
    wanted = "pix2z finetune 'my file.h5' --name mine --model models:/pix2z-full/2 --layout hdf5"
    assert wanted in recipe.commands
    assert "finetuned/mine/seed-1/weights.weights.h5" in recipe.expected
    without = finetuned_recipe(found, base=None, file="a.h5", layout=None, root=root)
    assert any("is not in the registry" in remark for remark in without.remarks)
