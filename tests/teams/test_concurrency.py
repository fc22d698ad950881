"""Many processes in one store that nobody has made before."""

import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pix2z.tracking.store import EXPERIMENTS

PROCESSES, EPOCHS = 8, 20  # as in the script
SCRIPT = Path(__file__).with_name("eight_processes.py")


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def test_eight_processes_log_to_a_fresh_store_at_once(fresh):
    """MLflow alone cannot make one database in several processes."""
    (fresh / ".partial-mlflow.db").write_bytes(b"left by a killed process")
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
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
