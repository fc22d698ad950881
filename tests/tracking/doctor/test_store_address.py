import shutil

import pytest

pytestmark = pytest.mark.usefixtures("without_data")


def test_another_sqlite_file_is_found_and_left(clinic, healthy, tmp_path, monkeypatch):
    shutil.copy(healthy / "mlflow.db", tmp_path / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    faults = clinic.faults()
    assert faults["the store is not that of this repository"] == "unset MLFLOW_TRACKING_URI"
    clinic.run("unset MLFLOW_TRACKING_URI")
    assert clinic.faults() == {}


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("./mlruns", "the store is a folder"),
        ("http://127.0.0.1:9", "the store cannot be reached"),
        ("postgresql://somebody:secret@127.0.0.1:9/mlflow", "the store cannot be reached"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_without_its_password(clinic, monkeypatch, uri, what):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "the registry was not examined" in clinic.notes()
    assert "secret" not in str(clinic.findings())
    assert clinic.cure(what) == "unset MLFLOW_TRACKING_URI"


def test_the_own_store_may_be_named(clinic, healthy, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{healthy}/mlflow.db")
    assert clinic.faults() == {}
