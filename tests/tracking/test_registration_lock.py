"""The lock behind a server; it works in any store, here in SQLite."""

import os
import subprocess
import sys
import threading
import time

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pix2z.tracking.registration_lock import LOCK, model_locked


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("pix2z.tracking.registration_lock._PAUSE", 0.01)


def held(client) -> dict[str, str] | None:
    found = client.search_registered_models(f"name = '{LOCK}'")
    return dict(found[0].tags) if found else None


def left_behind(client, *, host: str = "elsewhere", pid: int = 1) -> None:
    client.create_registered_model(LOCK, {"host": host, "pid": str(pid), "token": "theirs"})


def test_it_is_there_within_and_gone_after_also_after_an_error(client):
    with model_locked(client):
        assert held(client)["pid"] == str(os.getpid())
    assert held(client) is None
    with pytest.raises(ZeroDivisionError), model_locked(client):
        _ = 1 / 0
    assert held(client) is None


def test_a_second_one_waits(root, client, caplog):
    order = []

    def second():
        with caplog.at_level("INFO"), model_locked(MlflowClient(f"sqlite:///{root}/mlflow.db")):
            order.append("second")

    with model_locked(client):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(1)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert f"waiting while process {os.getpid()} on " in caplog.text


def test_one_left_behind_elsewhere_is_taken_over_after_a_while(client, caplog):
    left_behind(client)
    began = time.monotonic()
    with model_locked(client, patience=0.5):
        assert time.monotonic() - began >= 0.5
        assert held(client)["pid"] == str(os.getpid())
    assert "taking over the lock that process 1 on elsewhere left" in caplog.text


def test_one_of_a_dead_process_here_is_taken_over_at_once(client):
    import socket

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left_behind(client, host=socket.gethostname(), pid=ended.pid)
    with model_locked(client, patience=1e9):
        pass
    assert held(client) is None


def test_a_lock_that_was_taken_over_is_left_to_its_new_holder(client):
    with model_locked(client):
        client.delete_registered_model(LOCK)
        left_behind(client)
    assert held(client)["token"] == "theirs"


def test_a_release_that_fails_is_said_and_hides_nothing(client, monkeypatch, caplog):
    def fail(*_, **__):
        raise MlflowException("gone")

    def interrupted():
        with model_locked(client):
            monkeypatch.setattr(client, "get_registered_model", fail)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert "could not be removed: gone" in caplog.text


def test_a_store_that_fails_is_not_taken_for_a_lock(client, monkeypatch):
    def fail(*_, **__):
        raise MlflowException("out of space")

    monkeypatch.setattr(client, "create_registered_model", fail)
    with pytest.raises(MlflowException, match="out of space"):
        model_locked(client).__enter__()
