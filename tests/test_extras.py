"""What runs without any extra of pix2z, and what a command says that needs one."""

import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, requires
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pix2z.dataset.store import open_galaxies
from pix2z.process import IMPORTED_AS, missing_extra
from tests.cli.conftest import write_hdf5
from tests.cli.test_help import COMMANDS
from tests.cli.test_redshift import write_many
from tests.field.planted import plant, write_field

ROOT = Path(__file__).parents[1]
WANTED = [Requirement(line) for line in requires("pix2z")]
CORE = {"filelock", "h5py", "matplotlib", "onnxruntime", "pandas", "pyarrow", "sep"}

ALONE = """
import contextlib, io, json, sys

packages, lines = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(packages))  # None: an import of it fails
import pix2z
from pix2z import cli

answers = []
for line in lines:
    sys.argv, code = ["pix2z", *line], 0
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
    answers.append([code, err.getvalue()])
print(json.dumps(answers))
"""
"""Run commands one after the other where packages are absent; print [exit code, stderr] of each."""

WITHOUT = ALONE.partition("import pix2z\n")[0]


def packages_of(*, extras):
    """Packages that extras bring, or the core, by the name under which Python imports them."""
    named = {r.name for r in WANTED if ("extra" in str(r.marker)) == extras and r.name != "pix2z"}
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in named}


def needs(package, extra):
    return f"this needs {package}, which the extra [{extra}] installs: pip install 'pix2z[{extra}]'"


def run_without(packages, folder, *lines, code=ALONE, check=False):
    words = json.dumps([sorted(packages), lines])
    return subprocess.run(
        [sys.executable, "-c", code, words], cwd=folder, capture_output=True, text=True, check=check
    )


def run_alone(folder, *lines):
    return json.loads(run_without(packages_of(extras=True), folder, *lines, check=True).stdout)


@pytest.fixture
def folder(tmp_path, sample_path, trained_pool):
    """A folder outside of any checkout: stamps of forty galaxies, a field, spectra, a model."""
    with open_galaxies(sample_path) as galaxies:
        images, ebv = galaxies.images(np.arange(40)), galaxies.column("ebv", np.arange(40))
        z_spec = galaxies.column("specz_redshift", np.arange(40))
    keys = {"images": images.transpose(0, 3, 1, 2), "e_bv": ebv, "specz_redshift": z_spec}
    write_hdf5(tmp_path / "mine.h5", keys)
    write_field(tmp_path, plant(), packed="")
    write_many(tmp_path / "spectra.hdf5")
    shutil.copytree(trained_pool, tmp_path / "full")
    return tmp_path


def test_what_is_for_everybody_is_no_extra_and_what_trains_is_no_core():
    assert packages_of(extras=False) >= CORE
    assert not packages_of(extras=False) & packages_of(extras=True)


def test_commands_that_train_nothing_run_without_extras(folder):
    lines = [f"{command} --help" for command in COMMANDS]
    lines += [
        *("--help", "--version"),
        "inspect mine.h5 --plot look.png",
        "predict mine.h5 --model full --out z.parquet --plot z.png",
        "catalogue g.fits i.fits r.fits u.fits z.fits --model full --out sky.csv --plot sky.png",
        "redshift spectra.hdf5 --out spectra.csv",
    ]
    answers = run_alone(folder, *map(str.split, lines))
    assert [line for line, (code, _) in zip(lines, answers, strict=True) if code] == []
    written = ("look.png", "z.parquet", "z.png", "sky.csv", "sky.png", "spectra.csv")
    assert all((folder / name).stat().st_size > 0 for name in written)


NEEDS = {
    "models": ("sqlalchemy", "train"),
    "predict mine.h5 --out new.csv --model models:/pix2z@champion": ("sqlalchemy", "train"),
    "predict mine.h5 --out new.csv --model full --pdf new.hdf5": ("qp", "train"),
    "export full/seed-1 --out new.keras": ("keras", "train"),
    "predict . --out new --model full --dask local": ("dask", "survey"),
    "predict mine.h5 --out new.parquet --model full --hats new": ("hats_import", "survey"),
}
"""Command -> the first package that it misses, and the extra that brings it."""


def test_a_command_that_needs_an_extra_names_it_in_one_line(folder):
    before = sorted(folder.iterdir())
    expected = [[1, f"error: {needs(*missing)}\n"] for missing in NEEDS.values()]
    assert run_alone(folder, *map(str.split, NEEDS)) == expected
    assert sorted(folder.iterdir()) == before


def test_rails_stages_name_their_extra(folder):
    done = run_without(["ceci"], folder, code=f"{WITHOUT}import pix2z.rail")
    assert done.returncode == 1
    assert done.stderr.endswith(f"\nModuleNotFoundError: {needs('ceci', 'rail')}\n")
    assert done.stderr.count("Traceback") == 1


def test_a_stage_that_needs_an_extra_names_it_in_one_line(folder):
    stage = "import runpy; runpy.run_module('pix2z.stages.tune', run_name='__main__')"
    done = run_without(packages_of(extras=True), folder, code=WITHOUT + stage)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: this needs ")
    assert done.stderr.endswith("the extra [train] installs: pip install 'pix2z[train]'\n")
    assert done.stderr.count("\n") == 1


def test_each_package_is_told_with_the_extra_that_brings_it():
    for requirement in WANTED:
        extra = re.findall(r'extra == "(\w+)"', str(requirement.marker))
        if not extra or requirement.name in ("pix2z", "tensorflow"):  # which [gpu] brings, too
            continue
        package = IMPORTED_AS.get(requirement.name, requirement.name.replace("-", "_"))
        assert missing_extra(ModuleNotFoundError(name=package)) == needs(package, extra[0])
        with suppress(PackageNotFoundError):
            distribution(requirement.name)
            assert find_spec(package), "the distribution is installed, and its package has a name"
    assert "[train]" in missing_extra(ModuleNotFoundError(name="tensorflow"))


def test_another_package_that_is_missing_is_a_defect():
    assert missing_extra(ModuleNotFoundError(name="numpy")) is None
    assert missing_extra(ModuleNotFoundError(name="pix2z.network.layer")) is None
    assert missing_extra(ModuleNotFoundError("made by hand")) is None


def pins(extra=""):
    """Package -> its lines, name==version and where, of a lock."""
    lock = (ROOT / f"requirements{extra and '-'}{extra}.txt").read_text()
    found = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\\\n]+)", lock, re.MULTILINE):
        found.setdefault(name, []).append(version.strip())
    return found


def test_requirements_txt_locks_the_core_and_what_trains():
    wanted = {
        canonicalize_name(requirement.name)
        for requirement in WANTED
        if "extra" not in str(requirement.marker) or 'extra == "train"' in str(requirement.marker)
    }
    assert wanted <= set(pins())


def test_every_other_lock_adds_to_it_and_all_agree():
    added = {path.stem.partition("-")[2] for path in ROOT.glob("requirements-*.txt")} - {"uv"}
    assert added >= {"test", "gpu", "postgres", "survey", "rail"}
    together = {}
    for lock in map(pins, sorted(added)):
        assert not set(lock) & set(pins())
        assert {name: together.setdefault(name, lines) for name, lines in lock.items()} == lock


@pytest.mark.parametrize("extra", ["test", "postgres", "survey", "rail"])
def test_make_installs_the_lock_of_an_extra_beside_the_core(extra):
    said = subprocess.check_output(["make", "-n", "-B", f".venv/.{extra}"], cwd=ROOT, text=True)
    options = "--no-deps --require-hashes -r requirements"
    assert re.findall(rf"{options}(\S*)\.txt", said)[-1] == f"-{extra}"
    assert said.index("--require-hashes -r requirements.txt") < said.index(options)
