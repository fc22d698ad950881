"""The wheel in fresh environments, each extra by itself: what runs there, and how large it is.

pip asks its index, and is held to the versions of requirements*.txt.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pix2z.dataset.store import open_galaxies
from tests.cli.conftest import write_hdf5

ROOT = Path(__file__).parents[1]

MOST_MB = 650
"""Of an environment with the core alone, pip included, without byte code."""

pytestmark = pytest.mark.long


OUTSIDE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def call(*words, **options):
    """Run a command where this checkout's code is not found; return what it prints."""
    line = [str(word) for word in words]
    kept = {"capture_output": True, "text": True, "check": True, "env": OUTSIDE}
    return subprocess.run(line, **kept, **options).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy: setuptools would take what an older build left in the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "src/pix2z", copy / "src/pix2z")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", copy)
    call(sys.executable, "-m", "pip", "wheel", *options, copy)
    (wheel,) = copy.glob("*.whl")
    return wheel


@pytest.fixture
def installed(wheel, tmp_path):
    """Return what installs the wheel with an extra into a fresh environment: its bin/."""

    def install(extra=""):
        locks = [ROOT / f"requirements{name}.txt" for name in ("", *(extra and [f"-{extra}"]))]
        lines = "".join(lock.read_text() for lock in locks if lock.is_file())
        pins = re.findall(r"^(\S+==.*?) *\\?$", lines, re.MULTILINE)
        (tmp_path / "pins.txt").write_text("\n".join(pins))  # with hashes it would take no wheel
        call(sys.executable, "-m", "venv", tmp_path / "env")
        wanted = f"{wheel}[{extra}]" if extra else wheel
        options = ("--quiet", "--no-compile", "--constraint", tmp_path / "pins.txt")
        call(tmp_path / "env/bin/pip", "install", *options, wanted)
        return tmp_path / "env/bin"

    return install


def megabytes(folder):
    return int(call("du", "-sm", folder).split()[0])


def test_the_core_is_small_estimates_redshifts_and_says_what_it_lacks(
    installed, tmp_path, sample_path, trained_pool
):
    programs = installed()
    assert megabytes(programs.parent) < MOST_MB
    with open_galaxies(sample_path) as galaxies:
        stamps, z_spec = galaxies.images(np.arange(40)), galaxies.column("specz_redshift")[:40]
    keys = {"images": stamps.transpose(0, 3, 1, 2), "specz_redshift": z_spec}
    write_hdf5(tmp_path / "mine.h5", keys)
    assert "pix2z inspect FILE" in call(programs / "pix2z", "--help", cwd=tmp_path)
    said = call(programs / "pix2z", "inspect", "mine.h5", "--plot", "look.png", cwd=tmp_path)
    assert "layout sdss32, 40 galaxies" in said
    line = ("predict", "mine.h5", "--model", trained_pool, "--out", "z.parquet")
    assert "40 galaxies in" in call(programs / "pix2z", *line, cwd=tmp_path)
    assert len(pq.read_table(tmp_path / "z.parquet")) == 40
    with pytest.raises(subprocess.CalledProcessError) as failed:
        call(programs / "pix2z", "models", cwd=tmp_path)
    line = "error: this needs sqlalchemy, which the extra [train] installs: "
    assert failed.value.stderr == f"{line}pip install 'pix2z[train]'\n"
    # What that line says needs no pix2z on any index, since the installed one is found.
    assert "pz-rail-base-" in call(programs / "pip", "install", "--dry-run", "pix2z[rail]")


@pytest.mark.parametrize(
    ("extra", "program"),
    [
        ("train", "import keras, mlflow, dvc, optuna, onnx, kcorrect, qp, xgboost, pix2z.stages"),
        ("postgres", "import psycopg, mlflow"),
        ("survey", "import distributed, hats_import, lsdb"),
        ("rail", "import qp, rail.core"),
    ],
)
def test_an_extra_by_itself_brings_what_it_is_for(installed, tmp_path, extra, program):
    programs = installed(extra)
    assert "pix2z inspect FILE" in call(programs / "pix2z", "--help", cwd=tmp_path)
    call(programs / "python", "-c", program, cwd=tmp_path)
    call(programs / "pip", "check")
