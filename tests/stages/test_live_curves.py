"""Trainings that show their curves in one fresh store at once."""

from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pix2z.network.workers import side_by_side
from pix2z.stages.runner import live_curve

EPOCHS = 5


def shown(seed: int, *, curve) -> None:
    on_epoch = curve(seed)
    for epoch in range(EPOCHS):
        on_epoch(epoch, {"loss": 3.0 - epoch / 10, "val_loss": 3.5 - epoch / 10})


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_epoch_of_two_processes_is_shown(tmp_path: Path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    curve = partial(live_curve, arm="full", training_key="key", stage="train")
    with side_by_side(2) as run:
        list(run(partial(shown, curve=curve), range(4)))
    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'pix2z-train'")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["seed"] for run in runs) == ["0", "1", "2", "3"]
    for run in runs:
        histories = [client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
        assert all(len(points) == EPOCHS for points in histories)
        assert len(histories) >= 2
