"""MLproject and Makefile: what they call exists, and servers stay on this machine."""

import inspect
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
from mlflow.projects.utils import load_project

from pix2z.cli import app
from pix2z.cli.serve import serve

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"


def command(entry_point: str, parameters: dict[str, str]) -> list[str]:
    """What `mlflow run . -e ENTRY_POINT -P ...` hands to the shell, as words."""
    found = load_project(str(ROOT)).get_entry_point(entry_point)
    return shlex.split(found.compute_command(parameters, None))


@pytest.mark.parametrize("name", ["main", "repro"])
def test_the_pipeline_is_run_by_dvc(name):
    assert command(name, {}) == ["dvc", "repro"]


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("tune", {}, {"trials": 40}),
        ("tune", {"trials": "3"}, {"trials": 3}),
        ("promote", {}, {"reason": "", "model": None, "dry_run": False}),
        ("promote", {"reason": "it's sharper; rm -rf"}, {"reason": "it's sharper; rm -rf"}),
        ("serve", {}, {"model": "", "port": 5001, "host": LOOPBACK}),
        ("serve", {"model": "full", "port": "0"}, {"model": "full", "port": 0}),
    ],
)
def test_entry_points_are_commands_of_pix2z(name, parameters, expected):
    program, subcommand, *options = command(name, parameters)
    assert (program, subcommand) == ("pix2z", name)
    context = typer.main.get_command(app).commands[name].make_context(name, options)
    assert expected.items() <= context.params.items()


def test_the_four_of_them_are_there():
    project = load_project(str(ROOT))
    assert set(project._entry_points) == {"main", "repro", "tune", "promote", "serve"}


def test_servers_listen_on_this_machine_unless_told_otherwise():
    assert inspect.signature(serve).parameters["host"].default == LOOPBACK
    shown = [ROOT / "Makefile", ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    starts = [
        line
        for path in shown
        for line in path.read_text().splitlines()
        if re.search(r"mlflow (ui|server) ", line) and "--host" in line
    ]
    assert any("mlflow ui" in line for line in starts)
    assert all(f"--host {LOOPBACK}" in line for line in starts)


MADE = {
    "clean": [".venv", ".pytest_cache", ".import_linter_cache"],
    "purge": [
        *("models/full", "finetuned/mine", "spectrum/models", "predictions", "data/raw"),
        *("mlruns", "build/quick/models", ".studies", ".dvc/cache", "reports/figures"),
        *(".checkpoints", ".dvc/tmp"),
    ],
}
FILES = {
    "clean": ["src/pix2z/__pycache__/a.pyc", "src/pix2z.egg-info/PKG"],
    "purge": [
        "mlflow.db",
        "mlflow.db-wal",
        "mlflow.db.lock",
        "promotions.json",
        "reports/compare.json",
        "sdss-files/.partial-frame.fits",
    ],
}


@pytest.fixture
def folder_after_a_run(tmp_path):
    """A folder outside of git with what runs leave; a file is a file, the rest are folders."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (name for names in MADE.values() for name in names):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "content").touch()
    for name in (name for names in FILES.values() for name in names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "reports/metrics.json").touch()
    return tmp_path


def test_clean_keeps_models_and_the_registry_and_purge_leaves_nothing(folder_after_a_run):
    there = lambda names: [name for name in names if (folder_after_a_run / name).exists()]  # noqa: E731
    kept = [*MADE["purge"], *FILES["purge"]]
    subprocess.run(["make", "clean"], cwd=folder_after_a_run, check=True, capture_output=True)
    assert there([*MADE["clean"], *FILES["clean"]]) == []
    assert there(kept) == kept
    subprocess.run(["make", "purge"], cwd=folder_after_a_run, check=True, capture_output=True)
    assert there(kept) == []
    left = {path.name for path in folder_after_a_run.rglob("*") if path.is_file()}
    assert left == {"Makefile", "metrics.json"}


def test_purge_takes_all_that_git_is_told_to_ignore():
    """But for reports, of which some stay: see the test above."""
    recipe = subprocess.check_output(["make", "-n", "purge"], cwd=ROOT, text=True)
    removed = set(re.findall(r"-name '?([^' ]+)", recipe))
    for line in re.findall(r"^rm -rf (.*)$", recipe, re.M):
        removed |= {Path(word).name for word in line.split()}
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    assert {line for line in ignored if "reports/" not in line} <= removed


def test_reference_takes_the_reports_as_files_of_its_own(tmp_path):
    """DVC's are write-protected, and links into its cache."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "docs/reference").mkdir(parents=True)
    names = ("report.md", "compare.json", "spectrum.json", "figures/a.png", "spectrum/b.png")
    names = (*names, "study.md", "study.json", "study/c.png")
    for run in ("first run", "second run"):
        for name in names:
            cached, report = tmp_path / "cache" / run / name, tmp_path / "reports" / name
            for path in (cached, report):
                path.parent.mkdir(parents=True, exist_ok=True)
            cached.write_text(run)
            cached.chmod(0o444)
            report.unlink(missing_ok=True)
            report.symlink_to(cached)
        subprocess.run(["make", "reference"], cwd=tmp_path, check=True, capture_output=True)
    for path in (tmp_path / "docs/reference" / name for name in names):
        assert (path.read_text(), path.is_symlink()) == ("second run", False)
        assert path.stat().st_mode & 0o200


def test_no_empty_store_of_mlflow_is_made_to_be_looked_at(tmp_path, monkeypatch):
    shutil.copy(ROOT / "Makefile", tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # of the make that runs the tests
        monkeypatch.delenv(name, raising=False)
    show = ["make", "-o", ".venv/.core", "ui", "IN=build/quick"]
    done = subprocess.run(show, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: build/quick/mlflow.db: no such store of MLflow; ")
    shown = subprocess.check_output([*show, "-n"], cwd=tmp_path, text=True)
    assert f"sqlite:///{tmp_path}/build/quick/mlflow.db" in shown


def test_what_make_says_fits_a_terminal_of_80_columns():
    for target in ("help", "quick"):
        recipe = subprocess.check_output(["make", "-n", target], cwd=ROOT, text=True)
        lines = [line for line in recipe.splitlines() if line.startswith("echo ")]
        assert max(len(shlex.split(line)[1]) for line in lines) <= 80
