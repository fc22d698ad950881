"""What the guide says under "Removing things", as it is written there."""

import re
import shlex
from pathlib import Path

import mlflow.cli
import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException

GUIDE = Path(__file__).parents[2] / "docs/guide.md"


def test_runs_that_were_deleted_are_removed_with_their_files(both, client, monkeypatch):
    monkeypatch.chdir(both)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # none; it is set by the command
    experiments = [one.experiment_id for one in client.search_experiments()]
    gone, *kept = (run.info.run_id for run in client.search_runs(experiments))
    client.delete_run(gone)
    command = re.search(r"`mlflow (gc [^`]*)`", GUIDE.read_text())[1]
    done = CliRunner().invoke(mlflow.cli.cli, shlex.split(command))
    mlflow.set_tracking_uri("")
    assert done.exit_code == 0, done.output
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(gone)
    assert [client.get_run(run).info.lifecycle_stage for run in kept] == ["active"] * len(kept)
