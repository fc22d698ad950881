import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from pix2z.config.arms import read_arms
from pix2z.tracking.doctor.examination import examine, mend
from pix2z.tracking.registration import register

pytestmark = pytest.mark.usefixtures("without_data")

EVENT = '{"action": "promote"}'


@pytest.fixture
def promoted(store):
    """Aliases and history of a promotion; they are in no file but the store."""
    store.create_registered_model("pix2z", tags={"event.20260101T000000.000000Z.abcdef": EVENT})
    copy = store.copy_model_version("models:/pix2z-full/1", "pix2z")
    store.set_registered_model_alias("pix2z", "champion", copy.version)


def relocated(root: Path):
    """Faults of a repository in a new place, once its command has run, and its store."""
    faults = [found for found in examine(root) if found.is_fault]
    assert faults[0].command == "pix2z doctor --mend artifact-paths"
    assert f"{root}/mlflow.db" in mend(root, faults[0].name)
    return faults[0].what, MlflowClient(f"sqlite:///{root}/mlflow.db")


def all_paths(client: MlflowClient) -> list[str]:
    experiments = [e for e in client.search_experiments() if e.name != "Default"]
    ids = [experiment.experiment_id for experiment in experiments]
    runs = client.search_runs(ids)
    models = client.search_logged_models(ids)
    versions = client.search_model_versions()
    return [
        *(experiment.artifact_location for experiment in experiments),
        *(run.info.artifact_uri for run in runs),
        *(model.artifact_location for model in models),
        *(client.get_model_version_download_uri(v.name, v.version) for v in versions),
    ]


@pytest.mark.parametrize("is_copy", [False, True])
def test_a_repository_in_a_new_place_keeps_everything(
    promoted, store, healthy, tmp_path, monkeypatch, is_copy
):
    runs = {run.info.run_id for run in _runs(store)}
    new = tmp_path / "elsewhere" / "it's here"
    shutil.copytree(healthy, new)
    if not is_copy:
        shutil.rmtree(healthy)
    monkeypatch.setenv("DVC_ROOT", str(new))
    monkeypatch.chdir(new)
    what, client = relocated(new)
    expected = "the store is a copy of another" if is_copy else "the repository was moved"
    assert what.startswith(expected)
    assert [found.what for found in examine(new) if found.is_fault] == []
    assert {path for path in all_paths(client) if not path.startswith(f"{new}/mlruns/")} == set()
    assert {run.info.run_id for run in _runs(client)} == runs
    model = client.get_registered_model("pix2z")
    assert model.aliases == {"champion": 1}
    assert EVENT in model.tags.values()
    artifacts = mlflow.artifacts.list_artifacts(
        "models:/pix2z@champion", tracking_uri=f"sqlite:///{new}/mlflow.db"
    )
    assert "MLmodel" in {file.path for file in artifacts}
    register(new, read_arms(new / "params.yaml"))
    assert {run.info.run_id for run in _runs(client)} == runs
    assert (new / "mlflow.db.before-relocation").is_file()


def test_artifacts_that_were_left_behind_are_found_next(
    store, healthy, tmp_path, monkeypatch, pix2z
):
    new = tmp_path / "elsewhere"
    shutil.copytree(healthy, new, ignore=shutil.ignore_patterns("mlruns"))
    shutil.rmtree(healthy)
    monkeypatch.setenv("DVC_ROOT", str(new))
    monkeypatch.chdir(new)
    relocated(new)
    (fault,) = [found for found in examine(new) if found.is_fault]
    assert fault.what == "a version's artifacts are gone"
    # in a process of its own, as MLflow remembers for its lifetime where models are
    pix2z(new, *fault.command.split()[1:])
    assert [found.what for found in examine(new) if found.is_fault] == []


def _runs(client):
    return client.search_runs([e.experiment_id for e in client.search_experiments()])
