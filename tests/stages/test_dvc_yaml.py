"""dvc.yaml names, for every stage, all that can change its outputs."""

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml

from pix2z.config.section import Section

ROOT = Path(__file__).parents[2]
SECTIONS_READ_BY = {
    "read_arm": {"arms"},
    "read_arms": {"arms"},
    "read_spectrum_arm": {"spectrum_arms"},
    "read_spectrum_arms": {"spectrum_arms"},
    "read_training": {"arms", "hybrid", "published_cnn", "pdf"},
}
BYSTANDERS = ("pix2z.tracking", "pix2z.cli")  # they record what happened, they do not change it


def stages() -> dict[str, dict]:
    described = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in described.items()}


def cached_stages() -> list[str]:
    """Stages that run only when a dependency changed; the others need none."""
    return [name for name, stage in stages().items() if not stage.get("always_changed")]


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pix2z", cache_dir=None)


def module_path(module: str) -> Path:
    base = Path("src", *module.split("."))
    return base / "__init__.py" if (ROOT / base).is_dir() else base.with_suffix(".py")


def says_something(module: str) -> bool:
    """Whether a module holds more than a docstring."""
    body = ast.parse((ROOT / module_path(module)).read_text()).body
    return not all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body
    )


def needed(stage_module: str) -> set[str]:
    """Modules that run when the stage does, as paths, bystanders and bare packages left out."""
    seen: set[str] = set()
    todo = [stage_module]
    while todo:
        module = todo.pop()
        if module in seen or module.startswith(BYSTANDERS):
            continue
        seen.add(module)
        todo += graph().find_modules_directly_imported_by(module)
        if module.count(".") > 1:
            todo.append(module.rpartition(".")[0])
    return {str(module_path(module)) for module in seen if says_something(module)}


def missing(required: set[str], deps: list[str]) -> set[str]:
    return {
        path
        for path in required
        if not any(path == dep or path.startswith(f"{dep}/") for dep in deps)
    }


def stage_module(stage: dict) -> str:
    return stage["cmd"].split(" -m ")[1].split()[0]


@pytest.mark.parametrize("name", cached_stages())
def test_every_module_that_can_change_outputs_is_a_dependency(name):
    stage = stages()[name]
    required = needed(stage_module(stage))
    assert missing(required, stage["deps"]) == set()
    # the check itself: each dependency on code taken away must be noticed
    for taken in (dep for dep in stage["deps"] if dep.startswith("src/")):
        assert missing(required, [dep for dep in stage["deps"] if dep != taken]), taken


@pytest.mark.parametrize("name", stages())
def test_every_dependency_on_code_exists_and_is_used(name):
    stage = stages()[name]
    required = needed(stage_module(stage))
    for dep in stage.get("deps", []):
        if dep.startswith("src/"):
            assert (ROOT / dep).exists(), dep
            assert any(path == dep or path.startswith(f"{dep}/") for path in required), dep


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
    return keys


@pytest.mark.parametrize("name", cached_stages())
def test_every_section_read_is_a_dependency(name):
    stage = stages()[name]
    declared = {str(param).split(".")[0] for param in stage.get("params", [])}
    if "${item" in str(stage.get("params")):
        declared |= {"hybrid", "published_cnn"}  # the arm's own architecture, by interpolation
    assert sections_read(stage_module(stage)) == declared - {"${item"} & declared


def test_training_does_not_depend_on_evaluation_or_tracking():
    for name in ("tune", "train", "predict"):
        deps = stages()[name]["deps"]
        assert not [dep for dep in deps if "evaluation" in dep or "tracking" in dep]


def test_the_light_stages_start_without_tensorflow():
    for name in (
        "semireal",
        "ingest",
        "split",
        "controls",
        "evaluate",
        "compare",
        "register",
        "spectra",
        "evaluate_spectrum",
    ):
        chain = graph().find_shortest_chain(stage_module(stages()[name]), "pix2z.network.layers")
        assert chain is None, chain
