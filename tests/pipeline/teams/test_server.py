"""A tracking server with proxied artifacts: MLFLOW_TRACKING_URI is the only change."""

import mlflow
import pytest
from mlflow import MlflowClient

from pix2z.catalogue.estimator import load_pool
from pix2z.dataset.store import open_galaxies
from pix2z.tracking.experiments import EXPERIMENTS
from tests.pipeline.teams.conftest import arms_by_crps, promote_and_go_back
from tests.pipeline.teams.mlflow_server import tracking_server

pytestmark = [pytest.mark.long, pytest.mark.service]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, and the folder of its database and artifacts."""
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(folder, f"sqlite:///{folder}/server.db") as address:
        yield address, folder


@pytest.fixture(scope="module")
def team(registered_copy, server):
    """The finished pipeline, registered on the server by two people at once."""
    return registered_copy("with_server", server[0])


@pytest.fixture
def client(team, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.uri)
    return MlflowClient(team.uri)


def test_two_who_register_at_once_make_everything_once(team, client):
    for name in EXPERIMENTS:
        experiment = client.get_experiment_by_name(name)
        assert experiment.artifact_location.startswith("mlflow-artifacts:")
        runs = client.search_runs([experiment.experiment_id], max_results=1000)
        names = [run.info.run_name for run in runs]
        assert len(names) == len(set(names)) > 0
    versions = client.search_model_versions("name LIKE 'pix2z-%'")
    labels = [f"{version.name}/{version.version}" for version in versions]
    assert len(labels) == len(set(labels))
    assert {f"pix2z-{arm}/1" for arm in arms_by_crps(team.workspace)} <= set(labels)
    assert not [label for label in labels if not label.endswith("/1")]


def test_all_is_on_the_server_and_nothing_beside_the_pipeline(team, server):
    assert not [path for path in team.workspace.folder.glob("ml*") if path.name != "mlruns"]
    assert not list(team.workspace.folder.glob("mlruns/*"))
    names = {path.name for path in (server[1] / "artifacts").rglob("*")}
    assert {"report.html", "pool.json", "weights.weights.h5", "MLmodel"} <= names


def test_a_version_loads_back_through_the_server(team, client):
    with open_galaxies(team.workspace.folder / "data/galaxies.h5") as galaxies:
        images = galaxies.images([0, 1, 2])
    expected = load_pool(team.workspace.folder / "models/full").estimate(images).z_median
    rows = mlflow.pyfunc.load_model("models:/pix2z-full/1").predict(images)
    assert list(rows["z_median"]) == pytest.approx(list(expected), rel=1e-5)


def test_promotion_and_the_way_back_go_through_the_server(team):
    promote_and_go_back(team)
