"""What ``pix2z serve`` says before it serves; tests/tracking/test_serving.py has real servers."""

import shutil
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pix2z.cli import app
from pix2z.errors import InputError


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory) -> Path:
    """An empty store, created once: that takes seconds."""
    from pix2z.tracking.store import create_database

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    create_database(path)
    return path


@pytest.fixture
def serve(tmp_path, empty_database, monkeypatch):
    """Run the command against an empty store."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return lambda *options: CliRunner().invoke(app, ["serve", "--port", "0", *options])


def test_without_a_champion_one_line_names_the_command(serve):
    done = serve()
    assert isinstance(done.exception, InputError)
    assert "no champion yet; `pix2z promote` makes one" in str(done.exception)
    assert done.output == ""


def test_a_host_that_others_reach_is_warned_of_in_one_line(serve):
    done = serve("--host", "0.0.0.0")
    assert done.output.count("\n") == 1
    assert done.output.startswith("warning: on 0.0.0.0, everyone who reaches this machine may ask")


def test_a_port_in_use_is_one_line(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--port", str(port))
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(f"--port {port}: cannot be opened on 127.0.0.1")
    assert done.output == ""


@pytest.mark.parametrize("options", [("--port", "70000"), ("--workers", "0")])
def test_impossible_numbers_are_refused(serve, options):
    done = serve(*options)
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 2


def test_a_store_that_is_not_there_is_one_line(serve, tmp_path):
    (tmp_path / "mlflow.db").unlink()
    done = serve()
    assert isinstance(done.exception, InputError)
    assert "no such store of MLflow" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
