"""``pix2z serve``: a registered version behind MLflow's own server.

``uvicorn`` runs MLflow's application on a copy of the version in a process of its own, as
``mlflow models serve --env-manager local`` does. pix2z is not imported in that process, so the
version runs the code that was registered with it.
"""

import ctypes
import ipaddress
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from mlflow.pyfunc.scoring_server import get_cmd

from pix2z.errors import InputError, Pix2zError

__all__ = ["Server", "free_port", "is_loopback", "running"]

PATIENCE_SECONDS = 20
"""What the server has for the requests it is at when it is told to stop."""

TRACEBACK_SECONDS = 10
"""What it has to write a traceback to its end."""

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that comes when the parent ends."""

_EXCEPTION = re.compile(r"^(?:\w+\.)*(\w+(?:Error|Exception): .+)")
"""The last line of a traceback, without the module of the exception."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def free_port(host: str, port: int) -> int:
    """Return `port`, or any free one for 0; raise InputError where it cannot be opened."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host}: no such address ({error.strerror})") from error
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot be opened on {host} ({error.strerror}); expected a free "
                "port, or 0 for any"
            ) from error
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """MLflow's server in a process of its own."""

    process: subprocess.Popen[str]
    host: str
    """As a client on this machine reaches it."""
    port: int
    answers: threading.Event = field(default_factory=threading.Event)
    early_lines: list[str] = field(default_factory=list)
    """What it wrote before it answered."""

    @property
    def address(self) -> str:
        """Where to POST."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/invocations"

    def wait(self) -> None:
        """Wait until the server ends by itself, which raises Pix2zError."""
        raise Pix2zError(f"the server ended by itself, with exit code {self.process.wait()}")

    def copy_log(self) -> None:
        """Keep what is written while the model loads; pass on to stderr what comes later."""
        for line in self.process.stdout or ():
            if self.answers.is_set():
                sys.stderr.write(line)
            else:
                self.early_lines.append(line)

    def is_up(self) -> bool:
        """Tell whether it answers."""
        with closing(HTTPConnection(self.host, self.port, timeout=2)) as connection:
            try:
                connection.request("GET", "/ping")
                return connection.getresponse().status == 200
            except (OSError, HTTPException):
                return False

    def is_broken(self) -> bool:
        """Tell whether it never will answer, once it has written why.

        A traceback comes line by line. One worker ends after it; of several, uvicorn starts
        broken ones for ever, so that the line of the exception is all there is to wait for.
        """
        if any("Traceback" in line for line in self.early_lines):
            for _ in range(TRACEBACK_SECONDS):
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(1)
                if self.process.poll() is not None or self.exceptions():
                    break
            return True
        return self.process.poll() is not None

    def exceptions(self) -> list[str]:
        """Return the exceptions among what it wrote before it answered."""
        return [match[1] for line in self.early_lines if (match := _EXCEPTION.match(line))]

    def reason(self) -> str:
        """Return in one line why it does not answer."""
        written = [
            line.strip() for line in self.early_lines if re.match(r"(?!.*Traceback)\S", line)
        ]
        return (self.exceptions() or written or [f"exit code {self.process.returncode}"])[-1]


@contextmanager
def running(model: Path, *, host: str, port: int, workers: int) -> Iterator[Server]:
    """Answer requests while the context lasts; then finish those begun.

    Parameters
    ----------
    model : folder of a model as MLflow saves it.
    port : a free one, see `free_port`.

    Raises
    ------
    Pix2zError
        The model cannot be loaded; the message says why.
    """
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    with _start(model, host, port, workers) as process:
        server = Server(process, name, port)
        log = threading.Thread(target=server.copy_log, daemon=True)
        log.start()
        try:
            while not server.is_up():
                if server.is_broken():
                    _kill(process)  # it is at no request
                    log.join()
                    raise Pix2zError(server.reason())
                time.sleep(0.1)
            server.answers.set()
            yield server
        finally:
            _stop(process)
            log.join()


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
"""Loaded here: between fork and exec nothing may be that takes a lock."""


def _end_with_parent() -> None:
    """Ask Linux to end the server where this process is killed and cannot do so itself."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _start(model: Path, host: str, port: int, workers: int) -> subprocess.Popen[str]:
    """Run what ``mlflow models serve`` runs, with this interpreter and without a log of requests.

    -P and the folder keep modules of the user's folder from hiding others of their name.
    """
    command, environment = get_cmd(str(model.resolve()), port=port, host=host, nworkers=workers)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *shlex.split(command), "--log-level", "warning"],
        cwd=model,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_end_with_parent,
        start_new_session=True,  # Ctrl-C reaches this process alone, which tells the server
    )


def _stop(process: subprocess.Popen[str]) -> None:
    """End the server and its workers; a second Ctrl-C does not wait for requests."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(PATIENCE_SECONDS)
    _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """End the server and its workers at once."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
