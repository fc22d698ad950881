"""Many processes in one store that nobody has made before."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pix2z.tracking.store import EXPERIMENTS, open_store

PROCESSES, EPOCHS = 8, 20  # as in the script


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.long
def test_eight_processes_log_to_a_fresh_store_at_once(fresh):
    """MLflow alone cannot make one database in several processes."""
    script = str(Path(__file__).with_name("eight_processes.py"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    with sqlite3.connect(fresh / "mlflow.db") as store:
        names = [name for (name,) in store.execute("SELECT name FROM experiments")]
        runs = sorted(store.execute("SELECT name, status FROM runs"))
        points = store.execute("SELECT COUNT(*) FROM metrics WHERE key = 'curves/val_loss'")
        assert points.fetchone() == (PROCESSES * EPOCHS,)
    assert sorted(names) == ["Default", *sorted(EXPERIMENTS)]
    assert runs == [(f"run {number}", "FINISHED") for number in range(PROCESSES)]
    assert len(list((fresh / "mlruns").rglob("note.txt"))) == PROCESSES


def test_an_experiment_that_somebody_else_made_meanwhile_is_taken(fresh, monkeypatch):
    from mlflow import MlflowClient

    first = open_store()
    monkeypatch.setattr(MlflowClient, "search_experiments", lambda *_, **__: [])
    assert open_store().experiments == first.experiments
