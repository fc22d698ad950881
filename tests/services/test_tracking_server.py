"""A tracking server with proxied artifacts, its database in PostgreSQL, as docs/teams.md has it."""

import pytest
from mlflow import MlflowClient

from pix2z.tracking.register import register
from pix2z.tracking.versions import resolve_pool
from tests.teams.server import tracking_server
from tests.tracking.conftest import write_files


@pytest.fixture
def address(tmp_path, server, empty_database, monkeypatch):
    """Of the server, known to be the store."""
    with tracking_server(tmp_path / "server", server.uri(server.create(empty_database))) as found:
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / "root"))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", found)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield found


def test_register_twice_and_load_through_the_server(address, arms, tmp_path):
    root = tmp_path / "root"
    write_files(root)
    for _ in range(2):
        register(root, arms)
    client = MlflowClient(address)
    versions = client.search_model_versions("name LIKE 'pix2z-%'")
    assert sorted(v.name for v in versions) == ["pix2z-full", "pix2z-published_full"]
    client.set_registered_model_alias("pix2z-full", "champion", "1")
    pool = resolve_pool("models:/pix2z-full@champion")
    weights = "seed-2/weights.weights.h5"
    assert (pool / weights).read_bytes() == (root / "models/full" / weights).read_bytes()
    assert list(root.glob("ml*")) == []
