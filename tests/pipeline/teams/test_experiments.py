"""`dvc exp run`, in place and queued: both land in the store of the repository."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

pytestmark = pytest.mark.long


def comparisons(folder: Path) -> dict[str, tuple[str, str]]:
    """Experiment -> name of its comparison, and where that keeps its artifacts."""
    query = """
        SELECT tags.value, runs.name, runs.artifact_uri FROM runs
        JOIN tags ON runs.run_uuid = tags.run_uuid
        JOIN experiments ON experiments.experiment_id = runs.experiment_id
        WHERE tags.key = 'dvc_experiment' AND experiments.name = 'pix2z-compare'
    """
    with sqlite3.connect(folder / "mlflow.db") as store:
        return {experiment: (name, uri) for experiment, name, uri in store.execute(query)}


@pytest.fixture(scope="module")
def in_place(repository):
    """What an experiment in the working tree said."""
    return repository.run(
        "dvc", "exp", "run", "-n", "smaller-trees", "-S", "controls.tree_iterations=10"
    )


@pytest.fixture(scope="module")
def queued(repository, in_place):
    """What a queued experiment said, which runs in a temporary copy."""
    repository.run(
        "dvc", "exp", "run", "--queue", "-n", "tiny-trees", "-S", "controls.tree_iterations=5"
    )
    return repository.run("dvc", "exp", "run", "--run-all")


def stages_run(printed: str) -> list[str]:
    return re.findall(r"Running stage '([^']+)'", printed)


def test_only_what_the_parameter_reaches_runs(in_place):
    first, *_, last = stages_run(in_place)
    assert (first, last) == ("controls", "register")
    assert not [name for name in stages_run(in_place) if name.startswith(("train", "tune"))]


def test_git_sees_the_parameters_the_lock_and_the_metrics_change(repository, in_place):
    seen = repository.run("git", "status", "--porcelain").splitlines()
    assert {line[3:] for line in seen} == {"dvc.lock", "params.yaml", "reports/metrics.json"}


def test_both_experiments_are_in_one_store_by_name(repository, in_place, queued):
    assert stages_run(queued) == stages_run(in_place)
    experiments = comparisons(repository.folder)
    assert set(experiments) == {"smaller-trees", "tiny-trees"}
    for experiment, (name, artifacts) in experiments.items():
        assert name.startswith(f"{experiment}: 4 arms and ")
        assert Path(artifacts).parents[1] == repository.folder / "mlruns/pix2z-compare"
        assert (Path(artifacts) / "report.html").is_file()
    assert list(repository.folder.glob(".dvc/**/mlflow.db")) == []


def test_metrics_and_figures_are_compared_offline(repository, in_place, tmp_path):
    nowhere = ("HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9")
    changes = json.loads(repository.run("env", *nowhere, "dvc", "metrics", "diff", "--json"))
    assert list(changes) == ["reports/metrics.json"]
    assert {key.split(".")[0] for key in changes["reports/metrics.json"]} == {"trees"}
    shown = repository.run("dvc", "metrics", "diff", "--no-path")
    assert all(len(line) <= 80 for line in shown.splitlines())
    figure = "reports/figures/redshift_density.png"
    repository.run(
        *("env", *nowhere, "dvc", "plots", "diff", "HEAD"),
        *("-o", str(tmp_path), "--targets", figure),
    )
    page = (tmp_path / "index.html").read_text()
    shown = re.findall(r'<img src="([^"]+)"', page)
    assert len(shown) == 2
    assert all((tmp_path / path).read_bytes().startswith(b"\x89PNG") for path in shown)
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page) == []
