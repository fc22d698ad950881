"""A tracking server with proxied artifacts: MLFLOW_TRACKING_URI is the only change."""

import json
import subprocess
import sys
from collections import Counter

import pytest
import requests
import yaml

from pix2z.dataset.store import open_galaxies
from pix2z.tracking.store import EXPERIMENTS
from tests.pipeline.teams.conftest import copied
from tests.teams.server import tracking_server

ARMS = ("full", "published_clipped")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, and the folder of its database and artifacts."""
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(folder, f"sqlite:///{folder}/server.db") as address:
        yield address, folder


@pytest.fixture(scope="module")
def registered(finished, server, tmp_path_factory):
    """Two arms of the finished pipeline, registered by two people at once."""
    folder = tmp_path_factory.mktemp("registered") / "copy"
    workspace = copied(finished, folder, "predictions", "semireal.h5", ".dvc")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["arms"] = {arm: params["arms"][arm] for arm in ARMS}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    environment = {**workspace.environment(), "MLFLOW_TRACKING_URI": server[0]}
    command = [sys.executable, "-m", "pix2z.stages.register"]
    both = [
        subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    return folder


@pytest.fixture
def client(server, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server[0])
    return MlflowClient(server[0])


def test_two_who_register_at_once_make_everything_once(registered, client):
    for name in EXPERIMENTS:
        experiment = client.get_experiment_by_name(name)
        assert experiment.artifact_location.startswith("mlflow-artifacts:")
        found = client.search_runs([experiment.experiment_id], max_results=1000)
        keys = Counter(run.data.tags["record_digest"] for run in found)
        assert keys
        assert set(keys.values()) == {1}
    versions = client.search_model_versions("name LIKE 'pix2z-%'")
    of_arms = [(f"pix2z-{arm}", "1") for arm in ARMS]
    of_spectra = [("pix2z-spectrum", number) for number in ("1", "2", "3")]
    assert sorted((v.name, str(v.version)) for v in versions) == sorted(of_arms + of_spectra)
    assert "pix2z-registration-lock" not in {m.name for m in client.search_registered_models()}


def test_all_is_on_the_server_and_nothing_beside_the_pipeline(registered, server):
    assert list(registered.glob("ml*")) == []
    names = {path.name for path in (server[1] / "artifacts").rglob("*")}
    assert {"report.html", "pool.json", "weights.weights.h5", "MLmodel"} <= names


def test_a_version_loads_back_through_the_server(registered, client, monkeypatch, tmp_path):
    import mlflow

    from pix2z.network.estimator import load_pool
    from pix2z.tracking.versions import resolve_pool

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with open_galaxies(registered / "data/galaxies.h5") as galaxies:
        images = galaxies.images([0, 1, 2])
    expected = load_pool(registered / "models/full").estimate(images).z_median
    assert (
        load_pool(resolve_pool("models:/pix2z-full/1")).estimate(images).z_median == expected
    ).all()
    tags = client.get_model_version("pix2z-full", "1").tags
    assert (
        tags["pool_digest"]
        == json.loads((registered / "models/full/pool.json").read_text())["digest"]
    )
    answer = mlflow.pyfunc.load_model("models:/pix2z-full/1").predict(images)
    assert list(answer["z_median"]) == pytest.approx(list(expected), abs=1e-6)


def test_a_training_shows_its_curve_while_it_runs(registered, client):
    from pix2z.tracking.live import live_curve

    show = live_curve(7, arm="full", training_key="another")
    experiment = client.get_experiment_by_name("pix2z-train").experiment_id
    (run,) = client.search_runs([experiment], "tags.live = 'true'")
    for epoch in range(2):
        show(epoch, {"loss": 2.0 - epoch, "val_loss": 2.1 - epoch})
        history = client.get_metric_history(run.info.run_id, "curves/val_loss")
        assert [(point.step, point.value) for point in history][-1] == (epoch, 2.1 - epoch)
    client.delete_run(run.info.run_id)


@pytest.mark.parametrize(
    "path", ["../server.db", "%2e%2e/server.db", "/etc/passwd", "..%5cserver.db"]
)
def test_artifacts_of_the_server_end_at_its_folder(server, path):
    address = f"{server[0]}/api/2.0/mlflow-artifacts/artifacts/{path}"
    session = requests.Session()
    request = requests.Request("GET", address).prepare()
    request.url = address  # as it is: requests would take the dots away
    answer = session.send(request, timeout=20)
    assert answer.status_code in (400, 404)
    assert b"SQLite" not in answer.content
    assert b"root:" not in answer.content
