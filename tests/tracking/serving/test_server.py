"""Workers on a port, with a model of MLflow's that needs no TensorFlow."""

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.serving.server import is_loopback, listening, running

CODE = """
import os, sys, time
import pandas as pd

sys.stdout.write("a model may write what it likes\\n")

class Model:
    def predict(self, data, params=None):
        time.sleep(float(data[0]))
        return pd.DataFrame({"pid": [os.getpid()]})

def _load_pyfunc(path):
    assert "pix2z" not in sys.modules, "the version's own package would be hidden"
    return Model()
"""
BROKEN = "raise ValueError('a broken model\\nwith a long story')\n"


def save(folder: Path, code: str) -> Path:
    (folder / "code").mkdir(parents=True)
    (folder / "code/light_model.py").write_text(code)
    flavor = {"loader_module": "light_model", "code": "code", "env": {}}
    (folder / "MLmodel").write_text(json.dumps({"flavors": {"python_function": flavor}}))
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    return save(tmp_path / "model", CODE)


def ask(address: str, seconds: float = 0.0) -> int:
    body = json.dumps({"inputs": [seconds]}).encode()
    request = Request(address, body, {"Content-Type": "application/json", "Connection": "close"})
    with urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"][0]["pid"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_share_a_port_finish_what_they_began_and_are_gone_afterwards(model):
    answers = []
    with listening("127.0.0.1", 0) as opened, running(model, opened, workers=2) as server:
        pids = {worker.pid for worker in server.workers}
        assert len(pids) == 2
        assert ask(server.address) in pids
        begun = threading.Thread(target=lambda: answers.append(ask(server.address, 3.0)))
        begun.start()
        time.sleep(1.5)  # the request of 3 s is on its way
    begun.join()
    assert answers
    assert answers[0] in pids
    assert not any(alive(pid) for pid in pids)
    with pytest.raises(OSError, match="refused"):
        ask(server.address)


def test_a_worker_that_ends_by_itself_ends_the_server(model):
    with listening("127.0.0.1", 0) as opened, running(model, opened, workers=1) as server:
        os.kill(server.workers[0].pid, signal.SIGKILL)
        with pytest.raises(Pix2zError, match="ended by itself, with exit code -9"):
            server.wait()


def test_a_model_that_does_not_load_is_one_line(tmp_path):
    broken = save(tmp_path / "broken", BROKEN)
    with (
        listening("127.0.0.1", 0) as opened,
        pytest.raises(Pix2zError, match=r"^ValueError: a broken model$"),
        running(broken, opened, workers=1),
    ):
        pytest.fail("it cannot answer")


def test_a_port_in_use_is_named():
    with listening("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        with (
            pytest.raises(InputError, match=rf"--port {port}: .*in use.*; expected a free port"),
            listening("127.0.0.1", port),
        ):
            pytest.fail("it is in use")


def test_a_host_that_is_not_there_is_named():
    with (
        pytest.raises(InputError, match="--host nowhere.invalid: no such"),
        listening("nowhere.invalid", 0),
    ):
        pytest.fail("there is none")


def test_a_port_is_free_again_at_once():
    with listening("127.0.0.1", 0) as opened:
        address = opened.getsockname()
        with socket.create_connection(address):
            pass
    with listening(*address) as again:
        assert again.getsockname() == address


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("example.org", False),
    ],
)
def test_what_only_this_machine_reaches(host, loopback):
    assert is_loopback(host) == loopback
