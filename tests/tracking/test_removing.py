"""What the guide says under "Removing things", as it is written there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

GUIDE = Path(__file__).parents[2] / "docs/guide.md"


def test_runs_that_were_deleted_are_removed_with_their_files(both, client):
    experiments = [one.experiment_id for one in client.search_experiments()]
    gone, *kept = (run.info.run_id for run in client.search_runs(experiments))
    client.delete_run(gone)
    command = re.search(r"`mlflow (gc [^`]*)`", GUIDE.read_text())[1]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", *shlex.split(command)],
        cwd=both,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(gone)
    assert [client.get_run(run).info.lifecycle_stage for run in kept] == ["active"] * len(kept)
