"""What is about the store itself, on PostgreSQL: its making, its locks, its copies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pix2z.tracking.store_lock import postgres_locked

from pix2z.errors import Pix2zError
from pix2z.tracking.live import live_curve
from pix2z.tracking.register import register
from pix2z.tracking.store import EXPERIMENTS, open_store
from tests.tracking.conftest import write_files

TEAMS = Path(__file__).parents[1] / "teams"
HOLD = """
import sys, time
from pix2z.tracking.store_lock import postgres_locked
with postgres_locked(sys.argv[1], key=7):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def fresh(tmp_path, server, monkeypatch) -> str:
    """Name of a database with nothing in it, known to be the store."""
    name = server.create()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri(name))
    return name


def run(script: str, *arguments: str) -> None:
    command = [sys.executable, str(TEAMS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def count(server, database: str, what: str) -> int:
    return int(server.run("psql", "-qtA", "-d", database, "-c", f"SELECT COUNT(*) FROM {what}"))


def test_eight_processes_log_to_a_fresh_database_at_once(server, fresh, tmp_path):
    run("eight_processes.py")
    assert count(server, fresh, "experiments") == 1 + len(EXPERIMENTS)
    assert count(server, fresh, "runs WHERE status = 'FINISHED'") == count(server, fresh, "runs")
    assert count(server, fresh, "runs") == 16
    assert count(server, fresh, "metrics WHERE key = 'curves/val_loss'") == 2 * 8 * 20
    assert len(list((tmp_path / "mlruns").rglob("note.txt"))) == 8


def test_two_registrations_at_once_make_everything_once(server, fresh, tmp_path):
    write_files(tmp_path)
    run("two_registrations.py", str(tmp_path))
    assert count(server, fresh, "tags WHERE key = 'record_digest'") == 4 + 3 + 1
    assert count(server, fresh, "model_versions") == 1


def test_artifacts_are_in_the_root_wherever_one_stands(fresh, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    store = open_store()
    run = store.client.create_run(store.experiments["pix2z-train"])
    store.client.log_text(run.info.run_id, "a text", "note.txt")
    assert list(elsewhere.iterdir()) == []
    assert len(list((tmp_path / "mlruns/pix2z-train").rglob("note.txt"))) == 1


def test_the_lock_of_a_killed_process_is_free(server, fresh):
    uri = server.uri(fresh)
    command = [sys.executable, "-c", HOLD, uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        holders = "pg_locks WHERE locktype = 'advisory' AND granted"
        assert count(server, fresh, holders) == 1
        holder.send_signal(signal.SIGKILL)
    with postgres_locked(uri, key=7):
        assert count(server, fresh, holders) == 1
    assert count(server, fresh, holders) == 0


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
