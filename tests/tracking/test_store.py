import os

import pytest

from pix2z.errors import InputError
from pix2z.tracking.store import EXPERIMENTS, open_store, repository_root, tracking_uri


def test_the_root_is_the_nearest_folder_upwards_with_the_pipeline(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with pytest.raises(InputError, match=r"params\.yaml and dvc\.yaml"):
        repository_root(below)
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    assert repository_root(below) == tmp_path
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "a"))
    assert repository_root(below) == tmp_path / "a"


def test_a_given_uri_wins_over_the_root(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere")
    assert tracking_uri() == "http://somewhere"


def test_experiments_are_made_once_with_words_and_artifacts_below_the_root(root, client):
    first, second = open_store(), open_store()
    assert first.experiments == second.experiments
    for name, description in EXPERIMENTS.items():
        experiment = client.get_experiment_by_name(name)
        assert experiment.artifact_location == str(root / "mlruns" / name)
        assert experiment.tags["mlflow.note.content"] == description


def test_a_deleted_experiment_comes_back(root, client):
    store = open_store()
    client.delete_experiment(store.experiments["pix2z-train"])
    assert open_store().experiments == store.experiments
    assert client.get_experiment(store.experiments["pix2z-train"]).lifecycle_stage == "active"


def test_the_run_of_mlflow_run_is_not_ours(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    open_store()
    assert "MLFLOW_RUN_ID" not in os.environ
