import socket

import pytest
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.store import existing_store, shown_uri


def opened_error(kind=Pix2zError):
    with pytest.raises(kind) as caught, existing_store() as store:
        store.client.search_registered_models()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_the_store_that_is_there_is_opened(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "of mlflow run")
    with existing_store() as store:
        assert store.uri == f"sqlite:///{root / 'mlflow.db'}"
        assert store.client.search_registered_models() == []


def test_a_missing_file_is_said_and_not_made(root):
    database = root / "mlflow.db"
    database.unlink()
    message = opened_error(InputError)
    assert message.startswith(f"{database}: no such store of MLflow; run `make repro`")
    assert not database.exists()


def test_a_file_that_is_no_database_is_one_line(root):
    (root / "mlflow.db").write_text("not a database, whatever its name says, but long enough")
    assert "MLflow's store sqlite:///" in opened_error()


def test_a_server_that_does_not_answer_is_one_short_line(monkeypatch, closed_port):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://me:secret@127.0.0.1:{closed_port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    message = opened_error()
    assert message == f"MLflow's store {shown_uri(uri)}: cannot be reached (Connection refused)"
    assert "secret" not in message


def test_a_database_that_does_not_answer_is_one_line_at_once(monkeypatch, closed_port):
    """Also where there is no driver for it."""
    uri = f"postgresql://me:secret@127.0.0.1:{closed_port}/mlflow"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    message = opened_error()
    assert "cannot be reached" in message or "needs" in message
    assert "secret" not in message


def test_what_fails_within_is_one_line(root):
    def fail():
        with existing_store():
            raise MlflowException("the disk is full\nand more")

    with pytest.raises(Pix2zError, match="MLflow's store sqlite:.*: the disk is full$"):
        fail()
