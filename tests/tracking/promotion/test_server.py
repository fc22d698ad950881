"""The same through a tracking server with proxied artifacts: only MLFLOW_TRACKING_URI differs."""

import runpy
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pix2z.tracking.promotion.audit import outcomes, read_events
from pix2z.tracking.promotion.measure import fetched_pool

from pix2z.errors import RefusedError
from pix2z.tracking.existing import existing_store
from pix2z.tracking.promotion.production import promote, rollback
from pix2z.tracking.registration import register
from pix2z.tracking.versions import LOCK, find_version, listed_versions, read_versions

proposed = runpy.run_path(str(Path(__file__).with_name("processes.py")))["proposed"]


@pytest.fixture
def server(tmp_path_factory, empty_database) -> Iterator[str]:
    """A server of its own on this machine."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        uri = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                urllib.request.urlopen(f"{uri}/health").close()
                break
            except OSError:
                time.sleep(0.2)
        yield uri
    finally:
        process.terminate()
        process.wait(60)


def test_promotions_and_rollbacks_work_through_a_server(server, root, arms, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    register(root, arms)
    with existing_store() as store:
        assert store.uri == server
        for model in ("full", "published_full"):
            promote(store, proposed(store, model), reason="")
        assert rollback(store, reason="it drifts").champion == "pix2z/1"
        became = outcomes(read_events(store.client), "pix2z/1")
        assert became == ["replaced", "replaced", "champion"]
        listed = {v["uri"]: v for v in listed_versions(store.client)}
        assert listed["models:/pix2z/1"]["aliases"] == ["champion"]
        assert listed["models:/pix2z/1"]["source"] == "pix2z-full/1"
        assert listed["models:/pix2z/1"]["metrics"]["mae"] == pytest.approx(0.1)
        version = find_version(read_versions(store.client), "models:/pix2z@champion")
        with fetched_pool(store, version) as folder:
            assert (folder / "seed-1/weights.weights.h5").read_bytes() == b"full1"
        store.client.create_registered_model(LOCK, {"by": "ann"})
        with pytest.raises(RefusedError, match="another promotion is under way .ann"):
            rollback(store, reason="")
    assert not (root / "mlruns").exists()
