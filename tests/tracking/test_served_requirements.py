"""A version names what its own code imports, so that MLflow can make its environment."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pix2z.saved.sealed import ONNX_FORM, read_pool, write_sealed
from pix2z.tracking.packaging import save_model
from pix2z.tracking.served_forms import POOL, SPECTRUM
from tests.network.conftest import trained_published  # noqa: F401

TRACED = """
import builtins, json, sys

version, imported, plain = sys.argv[1], set(), builtins.__import__

def noted(name, globals=None, locals=None, fromlist=(), level=0):
    module = plain(name, globals, locals, fromlist, level)
    by = (globals or {}).get("__file__") or ""
    if by.startswith(version) and level == 0:
        imported.add(name.partition(".")[0])
    return module

builtins.__import__ = noted
import mlflow, numpy

images = numpy.random.default_rng(1).normal(0.1, 0.05, (3, 32, 32, 5)).astype("float32")
params = {"pdf": True} if sys.argv[2] == "pool" else None
mlflow.pyfunc.load_model(version).predict({"images": images, "ebv": [0.01, None, 0.03]}, params)
print(json.dumps(sorted(imported - sys.stdlib_module_names - {"pix2z"})))
"""
"""Load a version and ask it; print the packages that its own code imports, lazily or not."""


@pytest.fixture
def computed_by_keras(trained_pool, tmp_path) -> Path:
    """A pool without its ONNX form, as earlier versions saved them."""
    pool = Path(shutil.copytree(trained_pool, tmp_path / "pool"))
    described = read_pool(pool)
    del described["onnx_sha256"]
    write_sealed(pool / "pool.json", described)
    (pool / ONNX_FORM).unlink()
    return pool


def imports(version: Path, artifact: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", TRACED, str(version), artifact],
        cwd=version.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("networks", "form", "by_others"),
    [
        ("trained_pool", POOL, set()),
        pytest.param("trained_published", POOL, set(), marks=pytest.mark.long),
        pytest.param("computed_by_keras", POOL, {"tensorflow"}, marks=pytest.mark.long),
        ("trained_spectrum", SPECTRUM, {"tensorflow"}),
    ],
)
def test_a_version_names_the_distributions_that_its_code_imports_and_no_others(
    networks, form, by_others, request, tmp_path
):
    """But TensorFlow, which Keras imports."""
    version = tmp_path / "version"
    save_model(version, request.getfixturevalue(networks), form)
    pinned = (version / "requirements.txt").read_text().split()
    named = {line.partition("==")[0] for line in pinned}
    brings = packages_distributions()
    imported = imports(version, form.kind.artifact) | by_others
    assert {package for package in imported if named.isdisjoint(brings[package])} == set()
    assert named <= {name for package in imported for name in brings[package]}
