"""dvc.yaml names, for every stage, the rooms of code that can change its outputs, and no others."""

import ast
import importlib
import inspect
import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml

from pix2z.config.networks import SOFTMAX_CONFIGS
from pix2z.config.section import Section

ROOT = Path(__file__).parents[2]
ARCHITECTURES = {*SOFTMAX_CONFIGS, "published_cnn"}
SECTIONS_READ_BY = {
    "read_arms": {"arms"},
    "read_spectrum_arm": {"spectrum_arms"},
    "read_spectrum_arms": {"spectrum_arms"},
    "read_training": {"arms", *ARCHITECTURES, "pdf"},
}
BYSTANDERS = (
    "pix2z.tracking",  # records what happened
    "pix2z.cli",  # shows it
    "pix2z.errors",
    "pix2z.process",  # ends it
    "pix2z.stages.runner",
    "pix2z.config.compute",  # weights do not depend on the number of processes
)
LIGHT = (
    "semireal",
    "ingest",
    "split",
    "controls",
    "evaluate",
    "register",
    "spectra",
    "evaluate_spectrum",
)


def stages() -> dict[str, dict]:
    return dict(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def cached_stages() -> list[str]:
    """Stages that run only when a dependency changed; the others need none."""
    return [name for name, stage in stages().items() if not stage.get("always_changed")]


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pix2z", cache_dir=None, exclude_type_checking_imports=True)


def needed_modules(stage_module: str) -> set[str]:
    """Modules that run when the stage does, bystanders and what these import left out."""
    seen: set[str] = set()
    todo = [stage_module]
    while todo:
        module = todo.pop()
        if module not in seen and not module.startswith(BYSTANDERS):
            seen.add(module)
            todo += graph().find_modules_directly_imported_by(module)
    return seen


def room(module: str) -> str:
    """The folder below src/pix2z of a module; its file in config, stages and at the top level."""
    parts = module.split(".")
    depth = 3 if parts[1] in ("config", "stages") else 2
    path = Path("src", *parts[:depth])
    file = path.with_suffix(".py")
    return str(file if (ROOT / file).is_file() else path)


def rooms_listed(stage: dict) -> set[str]:
    return {dep for dep in stage.get("deps", []) if dep.startswith("src/")}


def stage_module(stage: dict) -> str:
    return stage["cmd"].split(" -m ")[1].split()[0]


@pytest.mark.parametrize("name", cached_stages())
def test_a_stage_depends_on_the_rooms_that_it_imports_and_on_no_others(name):
    stage = stages()[name]
    assert rooms_listed(stage) == {room(module) for module in needed_modules(stage_module(stage))}


def test_git_keeps_one_small_file_of_what_stages_write_and_dvc_all_else():
    """So that `git status` after a run names it and dvc.lock, and `dvc metrics` a few numbers."""
    written = [out for s in stages().values() for out in s.get("outs", []) + s.get("metrics", [])]
    assert [out for out in written if isinstance(out, dict)] == [
        {"reports/metrics.json": {"cache": False}}
    ]
    assert [s["metrics"] for s in stages().values() if "metrics" in s] == [written[-1:]]


def test_dvc_yaml_stays_short():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) < 240


def sections_read(module_name: str) -> set[str]:
    """Top-level keys of params.yaml behind the config classes and functions a stage imports."""
    keys = set()
    tree = ast.parse(inspect.getsource(importlib.import_module(module_name)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pix2z.config"):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                thing = getattr(module, alias.name)
                if inspect.isclass(thing) and issubclass(thing, Section):
                    keys.add(thing.key)
                elif alias.name in SECTIONS_READ_BY:
                    keys |= SECTIONS_READ_BY[alias.name]
    return keys - {"compute"}


@pytest.mark.parametrize("name", cached_stages())
def test_every_section_read_is_a_dependency(name):
    stage = stages()[name]
    declared = {str(param).split(".")[0] for param in stage.get("params", [])}
    assert sections_read(stage_module(stage)) == declared


def test_an_edit_of_what_measures_or_records_retrains_nothing():
    for name in ("tune", "train", "train_spectrum"):
        rooms = {Path(path).stem for path in rooms_listed(stages()[name])}
        assert not rooms & {"evaluation", "tracking", "cli", "catalogue", "finetune", "ingest"}


@pytest.mark.parametrize("name", LIGHT)
def test_the_light_stages_start_without_tensorflow(name):
    for room_of_keras in ("pix2z.network", "pix2z.spectrum_network"):
        module = stage_module(stages()[name])
        assert not graph().find_descendants(room_of_keras) & needed_modules(module)


def test_what_waits_for_trainings_starts_without_tensorflow():
    """Imported where it is used, in the processes that train; see `network.workers`."""
    modules = [stage_module(stages()[name]) for name in ("tune", "train", "train_spectrum")]
    program = f"import sys, {', '.join(modules)}; sys.exit('keras' in sys.modules)"
    environment = {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0
