"""What is about the store itself, on PostgreSQL: its making, its locks, its copies."""

import os

import pytest

from pix2z.errors import Pix2zError
from pix2z.tracking.live import live_curve
from pix2z.tracking.register import register
from pix2z.tracking.store import open_store


@pytest.fixture
def fresh(tmp_path, server, monkeypatch) -> str:
    """Name of a database with nothing in it, known to be the store."""
    name = server.create()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri(name))
    return name


def count(server, database: str, what: str) -> int:
    return int(server.run("psql", "-qtA", "-d", database, "-c", f"SELECT COUNT(*) FROM {what}"))


def test_artifacts_are_in_the_root_wherever_one_stands(fresh, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    store = open_store()
    run = store.client.create_run(store.experiments["pix2z-train"])
    store.client.log_text(run.info.run_id, "a text", "note.txt")
    assert list(elsewhere.iterdir()) == []
    assert len(list((tmp_path / "mlruns/pix2z-train").rglob("note.txt"))) == 1


@pytest.fixture
def down(tmp_path, monkeypatch):
    """A store on a server that does not run."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:secret@127.0.0.1:1/mlflow")


def test_a_server_that_is_down_is_one_line_without_its_password(down):
    with pytest.raises(Pix2zError, match="postgresql://ann@127.0.0.1:1/mlflow: cannot") as caught:
        open_store()
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_training_goes_on_without_its_store(down, caplog):
    show = live_curve(1, arm="full", training_key="key")
    show(0, {"loss": 1.0, "val_loss": 1.0})
    assert "no live curves of full, seed 1 in MLflow" in caplog.text
    assert "secret" not in caplog.text


def test_the_log_of_register_holds_no_password(root, arms, monkeypatch, caplog):
    uri = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.replace("postgres@", "postgres:secret@"))
    with caplog.at_level("INFO"):
        register(root, arms)
    assert "2 arms are registered in postgresql://postgres@/" in caplog.text
    assert "secret" not in caplog.text


def test_a_copy_of_the_database_is_the_store(root, arms, server, monkeypatch):
    """As docs/teams.md says a backup is made and brought back."""
    register(root, arms)
    uri = os.environ["MLFLOW_TRACKING_URI"]
    name = uri.rpartition("@/")[2].partition("?")[0]
    file = str(server.folder / f"{name}.dump")
    server.run("pg_dump", "-Fc", "-f", file, name)
    restored = server.create()
    server.run("pg_restore", "-d", restored, file)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri(restored))
    store = open_store()
    versions = store.client.search_model_versions("name LIKE 'pix2z-%'")
    assert {version.name for version in versions} == {"pix2z-full", "pix2z-published_full"}
    register(root, arms)
    assert count(server, restored, "model_versions") == 2
    assert count(server, restored, "runs") == count(server, name, "runs")
