"""``pix2z serve``: a port, and workers that answer on it until they are told to stop."""

import ipaddress
import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from pix2z.errors import InputError, Pix2zError

__all__ = ["Server", "is_loopback", "listening", "running"]

_PATIENCE = 20
"""Seconds that a worker has for the requests it is at when it is told to stop."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on a port, 0 for any free one; raise InputError where that cannot be."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host}: no such address ({error.strerror})") from error
    with socket.socket(family, kind) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
            found.listen(2048)
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot be opened on {host} ({error.strerror}); expected a free "
                "port, or 0 for any"
            ) from error
        yield found


@dataclass(frozen=True)
class Server:
    """Workers that answer on one port."""

    address: str
    """Where to POST."""
    workers: Sequence[subprocess.Popen[str]]

    def wait(self) -> None:
        """Wait until a worker ends by itself, which raises Pix2zError."""
        raise Pix2zError(next(_lines(self.workers)))


@contextmanager
def running(model: Path, opened: socket.socket, *, workers: int) -> Iterator[Server]:
    """Answer requests while the context lasts; then finish those begun.

    Parameters
    ----------
    model : folder of a model as MLflow saves it.
    opened : the listening socket, which the workers share.

    Raises
    ------
    Pix2zError
        A worker cannot load the model.
    """
    started: list[subprocess.Popen[str]] = []
    try:
        for _ in range(workers):
            started.append(_start(model, opened))
        for line in _lines(started):
            if line != "ready":
                raise Pix2zError(line)
        host, port = opened.getsockname()[:2]
        yield Server(f"http://{f'[{host}]' if ':' in host else host}:{port}/invocations", started)
    finally:
        _stop(started)


def _start(model: Path, opened: socket.socket) -> subprocess.Popen[str]:
    # -P: modules beside the script are not importable, so that none hides another.
    script = str(Path(__file__).with_name("worker.py"))
    command = [sys.executable, "-P", script, str(model), str(opened.fileno())]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.Popen(
        command,
        env={**os.environ, **quiet},
        pass_fds=[opened.fileno()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches this process alone, which tells the workers
    )


def _lines(running: Sequence[subprocess.Popen[str]]) -> Iterator[str]:
    """Yield the next line of each worker as it comes; for one that ends without, how it ended."""
    with selectors.DefaultSelector() as selector:
        for worker in running:
            selector.register(cast(IO[str], worker.stdout), selectors.EVENT_READ, worker)
        while selector.get_map():
            for key, _ in selector.select():
                worker = key.data
                selector.unregister(key.fileobj)
                line = worker.stdout.readline().strip()
                yield line or f"the server ended by itself, with exit code {worker.wait()}"


def _stop(running: Sequence[subprocess.Popen[str]]) -> None:
    for worker in running:
        with suppress(OSError):
            cast(IO[str], worker.stdin).close()
        if worker.poll() is None:
            worker.terminate()
    for worker in running:
        try:
            worker.wait(_PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            worker.kill()
            worker.wait()
        cast(IO[str], worker.stdout).close()
