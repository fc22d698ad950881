"""``mlflow ui`` and ``mlflow server`` on a free port."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

LIMIT_SECONDS = 180


@contextmanager
def tracking_server(folder: Path, backend: str) -> Iterator[str]:
    """Yield the address of a server as a team runs it, artifacts proxied to folder/artifacts."""
    options = ("--backend-store-uri", backend, "--serve-artifacts")
    options += ("--artifacts-destination", str(folder / "artifacts"))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment = {**kept, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with mlflow_server("server", *options, folder=folder, environment=environment) as address:
        yield address


@contextmanager
def mlflow_server(
    command: str, *options: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """Yield the address of ``mlflow ui`` or ``mlflow server``, run in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ("--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    log = folder / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", command, *options, *where],
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + LIMIT_SECONDS
        while not _is_up(address):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.1)
        yield address
    finally:
        # At once: a graceful end waits for connections that the tests keep open.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_up(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False
