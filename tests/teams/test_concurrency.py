"""Many processes in one store that nobody has made before."""

import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pix2z.tracking.store import EXPERIMENTS, open_store
from tests.tracking.conftest import write_files

PROCESSES, EPOCHS = 8, 20  # as in the script
HERE = Path(__file__).parent


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def run(script: str, *arguments: str) -> None:
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def test_eight_processes_log_to_a_fresh_store_at_once(fresh):
    """MLflow alone cannot make one database in several processes."""
    (fresh / ".partial-mlflow.db").write_bytes(b"left by a killed process")
    run("eight_processes.py")
    with sqlite3.connect(fresh / "mlflow.db") as store:
        names = [name for (name,) in store.execute("SELECT name FROM experiments")]
        runs = list(store.execute("SELECT name, status FROM runs"))
        points = store.execute("SELECT COUNT(*) FROM metrics WHERE key = 'curves/val_loss'")
        assert points.fetchone() == (2 * PROCESSES * EPOCHS,)
    assert sorted(names) == ["Default", *sorted(EXPERIMENTS)]
    wanted = {f"{kind} {n}" for kind in ("live", "training") for n in range(PROCESSES)}
    assert Counter(runs) == Counter((name, "FINISHED") for name in wanted)
    assert len(list((fresh / "mlruns").rglob("note.txt"))) == PROCESSES
    assert not (fresh / ".partial-mlflow.db").exists()


def test_two_registrations_at_once_make_everything_once(fresh):
    write_files(fresh)
    run("two_registrations.py", str(fresh))
    with sqlite3.connect(fresh / "mlflow.db") as store:
        keys = list(store.execute("SELECT value FROM tags WHERE key = 'record_digest'"))
        versions = list(store.execute("SELECT name, version FROM model_versions"))
    assert len(keys) == len(set(keys)) == 4 + 3 + 1  # study and trials, seeds and pool, comparison
    assert versions == [("pix2z-full", 1)]


def test_an_experiment_that_somebody_else_made_meanwhile_is_taken(fresh, monkeypatch):
    from mlflow import MlflowClient

    first = open_store()
    monkeypatch.setattr(MlflowClient, "search_experiments", lambda *_, **__: [])
    assert open_store().experiments == first.experiments
