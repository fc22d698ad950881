"""``pix2z serve``: which version it serves, and its server, with a model without TensorFlow."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from typer.testing import CliRunner

from pix2z.cli import app
from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.serving import free_port, is_loopback, running
from pix2z.tracking.store import open_store

LIGHT = """
import os, sys, time
import pandas as pd

class Model:
    def predict(self, data, params=None):
        time.sleep(float(data[0]))
        return pd.DataFrame({"pid": [os.getpid()]})

def _load_pyfunc(path):
    assert "pix2z" not in sys.modules, "the version's own package would be hidden"
    return Model()
"""
BROKEN = "raise ValueError('a broken model\\nwith a long story')\n"
SLOWLY_BROKEN = """
import time

for line in ("Traceback (most recent call last):", "    a + b", "    ~~^~~", "ValueError: at last"):
    print(line, flush=True)
    time.sleep(1.5)
time.sleep(60)  # as several workers, which are started again for ever
"""


def save(folder: Path, code: str) -> Path:
    (folder / "code").mkdir(parents=True)
    (folder / "code/light_model.py").write_text(code)
    flavor = {"loader_module": "light_model", "code": "code", "env": {}}
    (folder / "MLmodel").write_text(json.dumps({"flavors": {"python_function": flavor}}))
    return folder


def serving(model: Path, workers: int = 1):
    return running(model, host="127.0.0.1", port=free_port("127.0.0.1", 0), workers=workers)


def ask(address: str, seconds: float = 0.0) -> int:
    body = json.dumps({"inputs": [seconds]}).encode()
    request = Request(address, body, {"Content-Type": "application/json", "Connection": "close"})
    with urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"][0]["pid"]


def refuses(address: str) -> bool:
    try:
        ask(address)
    except OSError as error:
        return "refused" in str(error)
    return False


def test_a_server_finishes_what_it_began_and_is_gone_afterwards(tmp_path):
    answers = []
    with serving(save(tmp_path / "model", LIGHT), workers=2) as server:
        begun = threading.Thread(target=lambda: answers.append(ask(server.address, 2.0)))
        begun.start()
        time.sleep(1)  # the request of 2 s is on its way
    begun.join()
    assert len(answers) == 1
    assert refuses(server.address)


def test_a_server_that_is_killed_ends_the_command_and_its_workers(tmp_path):
    with serving(save(tmp_path / "model", LIGHT), workers=2) as server:
        os.kill(server.process.pid, signal.SIGKILL)
        with pytest.raises(Pix2zError, match="ended by itself, with exit code -9"):
            server.wait()
    assert refuses(server.address)


KILLED = """
import sys, time
from pathlib import Path
from pix2z.tracking.serving import free_port, running

port = free_port("127.0.0.1", 0)
with running(Path(sys.argv[1]), host="127.0.0.1", port=port, workers=2) as server:
    print(server.address, flush=True)
    server.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_command_that_is_killed_leaves_no_server(tmp_path):
    command = [sys.executable, "-c", KILLED, str(save(tmp_path / "model", LIGHT))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        address = killed.stdout.readline().strip()
        assert ask(address) > 0
        killed.kill()
    deadline = time.monotonic() + 30
    while not refuses(address):
        assert time.monotonic() < deadline, "it still answers"
        time.sleep(0.2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_does_not_load_is_one_line(tmp_path, workers):
    with (
        pytest.raises(Pix2zError, match=r"^ValueError: a broken model$"),
        serving(save(tmp_path / "broken", BROKEN), workers),
    ):
        pytest.fail("it cannot answer")


def test_the_reason_is_waited_for_while_a_traceback_is_written(tmp_path, monkeypatch):
    (tmp_path / "slow_server.py").write_text(SLOWLY_BROKEN)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    monkeypatch.setattr(
        "pix2z.tracking.serving.get_cmd", lambda *_, **__: ("slow_server", environment)
    )
    with pytest.raises(Pix2zError, match=r"^ValueError: at last$"), serving(tmp_path):
        pytest.fail("it cannot answer")


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--port {port}: .*in use.*; expected a free port"):
            free_port("127.0.0.1", port)


def test_a_host_that_is_not_there_is_named():
    with pytest.raises(InputError, match="--host nowhere.invalid: no such"):
        free_port("nowhere.invalid", 0)


def test_only_this_machine_reaches_a_loopback():
    assert all(map(is_loopback, ["127.0.0.1", "127.1.2.3", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.1.2", "example.org"]))


@pytest.fixture
def client(tmp_path, empty_database, monkeypatch):
    """Of a store without models, known to be the one of the commands."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return open_store().client


def command(*options: str):
    return CliRunner().invoke(app, ["serve", *options])


def test_without_a_champion_full_is_meant_and_one_line_says_so(client):
    done = command("--port", "0")
    assert done.output == "No --model given, and there is no champion: full is taken.\n"
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("model 'full': no models are registered yet")
    done = command("--port", "0", "--model", "models:/pix2z@champion")
    assert "'models:/pix2z@champion': there is no champion yet" in str(done.exception)


def test_a_host_that_others_reach_is_warned_of_in_one_line(client):
    done = command("--host", "0.0.0.0", "--port", "0", "--model", "full")
    assert done.output.count("\n") == 1
    assert done.output.startswith("warning: on 0.0.0.0, everyone who reaches this machine may ask")
