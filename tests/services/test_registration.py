"""The tests of registration, on PostgreSQL."""

from pix2z.tracking.register import register
from pix2z.tracking.store import open_store
from tests.tracking.test_registration import *  # noqa: F403


def test_the_store_is_rebuilt_from_files(root, arms, server, empty_database, monkeypatch):
    """Takes the place of the test of that name, which copies a file."""
    before = names(root, arms)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri(server.create(empty_database)))
    assert names(root, arms) == before


def names(root, arms) -> set[tuple[str, str]]:
    """Register; return runs and versions by name."""
    register(root, arms)
    store = open_store()
    found = {
        (name, run.info.run_name)
        for name, number in store.experiments.items()
        for run in store.client.search_runs([number], max_results=1000)
    }
    versions = store.client.search_model_versions("name LIKE 'pix2z-%'")
    assert len(found) == 10
    return found | {(version.name, version.version) for version in versions}
