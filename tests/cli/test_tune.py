"""`pix2z tune` with trainings that take no time."""

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from tests.catalogue.conftest import largest_file
from tests.cli.conftest import one_line
from tests.tuning.worker import trained as trained_in_no_time

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, empty_database, monkeypatch) -> Path:
    """A folder with what a study reads, and a store."""
    for name in ("data/galaxies.h5", "data/splits/full.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "PIX2Z_STUDY_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def by_rate(settings) -> float:
    return 3 + abs(math.log10(settings["learning_rate"]) + 3)


@pytest.fixture
def trained(project, monkeypatch) -> list[dict]:
    """Settings of every training; its loss falls towards a learning rate of 0.001.

    A figure is drawn after the first trial of a study, and not again after each.
    """
    from pix2z.tuning import hybrid, report

    settings_seen: list[dict] = []
    draw = report._save
    monkeypatch.setattr(report, "_save", lambda figure, path: path.exists() or draw(figure, path))

    @contextmanager
    def trials(tune, network, pdf, *, processes):
        def train(wanted):
            for one in wanted:
                settings_seen.append(one.settings)
                yield trained_in_no_time(one, by_rate(one.settings), epochs=tune.epochs)

        yield train

    monkeypatch.setattr(hybrid, "hybrid_trials", trials)
    return settings_seen


@pytest.fixture
def tune(trained, project, pix2z_in):
    """Run the command; its exit code, what it said, and its errors."""
    return lambda *options: pix2z_in(project, "tune", *options)


@pytest.fixture
def runs(project):
    def of_the_study() -> list:
        client = MlflowClient(f"sqlite:///{project}/mlflow.db")
        experiment = client.get_experiment_by_name("pix2z-tune")
        return client.search_runs([experiment.experiment_id], max_results=1000)

    return of_the_study


def test_it_shows_every_trial_and_the_command_that_uses_the_best(tune, trained):
    code, said, _ = tune("--trials", "12")
    assert code == 0
    params = yaml.safe_load(Path("params.yaml").read_text())
    at_the_end = by_rate(params["hybrid"]) + 1 / params["tune"]["epochs"]
    assert f"trial 0 (1 of 12): validation loss {at_the_end:.4f}\n" in said
    assert "trial 11 (12 of 12)" in said
    assert "pruned after" in said
    (command,) = [line for line in said.splitlines() if line.startswith("dvc exp run")]
    words = shlex.split(command)
    assert words[:5] == ["dvc", "exp", "run", "-S", "tune.n_trials=0"]
    chosen = dict(word.removeprefix("hybrid.").split("=") for word in words[6::2])
    best = min(trained, key=by_rate)
    assert float(chosen["learning_rate"]) == best["learning_rate"]
    for name, text in chosen.items():
        value = yaml.safe_load(text)
        assert (tuple(value) if isinstance(value, list) else float(value)) == best[name]
        assert (tuple(value) if isinstance(value, list) else value) != params["hybrid"][name]


def test_mlflow_shows_one_study_that_grows(tune, trained, runs):
    tune("--trials", "2")
    (first,) = [run for run in runs() if run.data.tags["kind"] == "study"]
    tune("--trials", "4")
    assert len(trained) == 4
    found = runs()
    (study,) = [run for run in found if run.data.tags["kind"] == "study"]
    assert study.info.run_id == first.info.run_id
    assert study.data.metrics["n_trials"] == 4
    best = min(trained, key=by_rate)
    assert float(study.data.tags["best.learning_rate"]) == best["learning_rate"]
    assert len(found) == 5
    tune("--trials", "4")
    assert (len(trained), len(runs())) == (4, 5)


def test_other_parameters_are_another_study(tune, trained, project):
    tune("--trials", "1")
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("dropout: 0.1", "dropout: 0.2"))
    tune("--trials", "1")
    tune("--trials", "1", "--epochs", "2")
    assert len(trained) == 3
    assert len(list(project.glob(".studies/*/journal.json"))) == 3


def test_where_nothing_is_better_it_says_so_and_nothing_of_the_pipeline_is_touched(tune, project):
    before = {name: (project / name).read_bytes() for name in ("params.yaml", "dvc.yaml")}
    code, said, _ = tune("--trials", "1")
    assert code == 0
    assert "No trial was better than the settings of params.yaml." in said
    assert "dvc exp run" not in said
    assert {name: (project / name).read_bytes() for name in before} == before
    assert not (project / "reports").exists()


def test_an_interrupted_study_goes_on(tune, trained, monkeypatch):
    from pix2z.tuning import hybrid

    whole = hybrid.hybrid_trials

    @contextmanager
    def interrupted(*of_what, processes):
        with whole(*of_what, processes=processes) as train:

            def train_two(wanted):
                yield from train(wanted[:2])
                raise KeyboardInterrupt

            yield train_two

    monkeypatch.setattr(hybrid, "hybrid_trials", interrupted)
    code, _, errors = tune("--trials", "4")
    assert code == 130
    assert errors == "interrupted: finished trials are kept, the same command goes on\n"
    monkeypatch.setattr(hybrid, "hybrid_trials", whole)
    code, said, _ = tune("--trials", "4")
    assert code == 0
    assert re.findall(r"trial (\d)", said)[:2] == ["2", "3"]


def test_a_store_out_of_reach_costs_no_trial(tune, trained, project, monkeypatch):
    (project / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/file/mlflow.db")
    code, said, errors = tune("--trials", "3")
    assert code == 1
    assert len(trained) == 3
    warning, error = errors.splitlines()
    assert warning.startswith("warning: MLflow's store cannot be written")
    assert error.startswith("error: MLflow's store cannot be written")
    (report,) = project.glob(".studies/*/hybrid-*/trials.json")
    assert len(json.loads(report.read_text())["trials"]) == 3


HANG = """
from contextlib import contextmanager
import sys
from pix2z import cli
from pix2z.tuning import hybrid

@contextmanager
def trials(*of_what, processes):
    def train(wanted):
        print("training", flush=True)
        yield sys.stdin.read()

    yield train

hybrid.hybrid_trials = trials
cli.main()
"""


def test_two_at_once_are_told_apart_and_a_killed_one_keeps_nobody_out(tune, trained, project):
    command = [sys.executable, "-c", HANG, "tune", "--trials", "2"]
    with subprocess.Popen(command, cwd=project, stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline().startswith("study hybrid-")
        assert other.stdout.readline() == "training\n"
        code, _, errors = tune("--trials", "2")
        other.kill()
    assert code == 1
    assert re.fullmatch(r"error: .*another pix2z tune works on this study.*--storage\)\n", errors)
    assert trained == []
    code, said, _ = tune("--trials", "2")
    assert code == 0
    assert re.findall(r"trial (\d) \((\d) of 2\)", said) == [("0", "1"), ("1", "2")]


def test_a_study_in_a_database_is_named_by_option_or_environment(
    tune, trained, project, runs, monkeypatch
):
    place = f"sqlite:///{project}/studies.db"
    code, said, _ = tune("--trials", "2", "--storage", place)
    assert code == 0
    assert said.startswith("study shared-")
    monkeypatch.setenv("PIX2Z_STUDY_STORAGE", place)
    tune("--trials", "3")
    assert len(trained) == 3
    assert len([run for run in runs() if run.data.tags["kind"] == "study"]) == 1


def test_without_rows_it_says_what_makes_them(tune, project):
    (project / "data/splits/full.h5").unlink()
    one_line(tune(), "error: data/splits/full.h5: missing; `dvc repro split` makes it\n")


def test_it_works_in_the_named_checkout_wherever_one_stands(pix2z_in, project, tmp_path_factory):
    (project / "data/splits/full.h5").unlink()
    here = tmp_path_factory.mktemp("elsewhere")
    one_line(pix2z_in(here, "tune"), "name one with --repo or PIX2Z_HOME\n")
    one_line(pix2z_in(here, "tune", "--repo", project), "data/splits/full.h5: missing; `dvc repro")
    assert list(here.iterdir()) == []


def test_a_folder_that_takes_no_study_is_one_line(tune, project):
    (project / ".studies").write_text("no folder")
    code, _, errors = tune("--trials", "1")
    assert code == 2
    assert re.fullmatch(r"error: \.studies/\w+: .+\n", errors)


def test_a_full_disk_is_one_line(tune):
    with largest_file(100):
        code, _, errors = tune("--trials", "1")
    assert code == 2
    last = errors.splitlines()[-1]
    assert re.fullmatch(r"error: \.studies/\w+/journal\.json: cannot be written \(.+\)", last)
