"""The same through a tracking server with proxied artifacts: only MLFLOW_TRACKING_URI differs."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from pix2z.tracking.promotion.production import promote, rollback
from pix2z.tracking.promotion.trail import champion_names, outcomes, read_trail
from pix2z.tracking.register import register
from pix2z.tracking.store import existing_store
from pix2z.tracking.versions import (
    POOL_FILES,
    download,
    find_version,
    listed_versions,
    read_versions,
)

pytestmark = pytest.mark.long


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


def test_promotions_and_rollbacks_work_through_a_server(
    server, root, arms, decide, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    register(root, arms)
    with existing_store() as store:
        assert store.uri == server
        for model in ("full", "published_full"):
            promote(store, root, decide(store, model), reason="")
        assert rollback(store, root, reason="it drifts").to_version == "pix2z/1"
        became = outcomes(read_trail(store.client, root), champion_names(store.client, root))
        assert became == ["replaced", "replaced", "champion"]
        listed = {v["uri"]: v for v in listed_versions(store.client)}
        assert listed["models:/pix2z/1"]["aliases"] == ["champion"]
        assert listed["models:/pix2z/1"]["source"] == "pix2z-full/1"
        assert listed["models:/pix2z/1"]["metrics"]["mae"] == pytest.approx(0.1)
        version = find_version(read_versions(store.client), "models:/pix2z@champion")
        folder = download(store, version, tmp_path, part=POOL_FILES)
        assert (folder / "seed-1/weights.weights.h5").read_bytes() == b"full1"
    assert not (root / "mlruns").exists()
