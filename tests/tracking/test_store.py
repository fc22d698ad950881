import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.experiments import EXPERIMENTS
from pix2z.tracking.store import (
    existing_store,
    locked,
    open_store,
    shown_uri,
    tracking_uri,
)

PROCESSES = Path(__file__).with_name("processes.py")


def test_a_given_uri_wins_over_the_root(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere")
    assert tracking_uri() == "http://somewhere"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////a/mlflow.db", "sqlite:////a/mlflow.db"),
        ("postgresql://ann:secret@db:5432/mlflow", "postgresql://ann:***@db:5432/mlflow"),
        ("postgresql://db/m?user=ann&password=secret", "postgresql://db/m?user=ann"),
        ("http://ann:secret@host:port?password=secret", "http://host:port"),
        ("my-store://ann:secret@host", "my-store://host"),
    ],
)
def test_a_password_is_not_shown(uri, shown):
    assert shown_uri(uri) == shown


def test_experiments_are_made_once_with_words_and_artifacts_below_the_root(root, client):
    first, second = open_store(), open_store()
    assert first.experiments == second.experiments
    for name, description in EXPERIMENTS.items():
        experiment = client.get_experiment_by_name(name)
        assert experiment.artifact_location == str(root / "mlruns" / name)
        assert experiment.tags["mlflow.note.content"] == description


def test_a_deleted_experiment_comes_back(root, client):
    store = open_store()
    client.delete_experiment(store.experiments["pix2z-train"])
    assert open_store().experiments == store.experiments
    assert client.get_experiment(store.experiments["pix2z-train"]).lifecycle_stage == "active"


def test_an_experiment_that_somebody_else_made_meanwhile_is_taken(root, monkeypatch):
    first = open_store()
    monkeypatch.setattr(MlflowClient, "search_experiments", lambda *_, **__: [])
    assert open_store().experiments == first.experiments


@pytest.mark.parametrize("opened", [open_store, lambda: existing_store().__enter__()])
def test_the_run_of_mlflow_run_is_not_ours_and_is_named(root, client, monkeypatch, opened):
    """MLflow makes it in the experiment Default, with a name at random, which a person may change.

    It may be in another store.
    """
    tags = {"mlflow.project.entryPoint": "promote"}
    made, named = client.create_run("0", tags=tags), client.create_run("0", tags=tags, run_name="A")
    of_others = client.create_run("0")
    for run_id in (made.info.run_id, named.info.run_id, of_others.info.run_id, "0123"):
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        opened()
        assert "MLFLOW_RUN_ID" not in os.environ
    now = [client.get_run(run.info.run_id) for run in (made, named, of_others)]
    names = ["mlflow run -e promote", "A", of_others.info.run_name]
    assert [run.info.run_name for run in now] == names
    assert "`pix2z history` lists promotions" in now[0].data.tags["mlflow.note.content"]


def test_a_store_in_a_copied_folder_is_refused_before_it_writes_into_the_original(
    root, tmp_path_factory, monkeypatch
):
    open_store()
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(root / "mlflow.db", copy / "mlflow.db")
    monkeypatch.setenv("DVC_ROOT", str(copy))
    refused = f"{copy}/mlflow.db: keeps its artifacts in {root}/mlruns/.* `dvc repro register`"
    with pytest.raises(InputError, match=refused) as caught:
        open_store()
    assert "\n" not in str(caught.value)
    with (
        existing_store() as readable,
        pytest.raises(InputError, match=refused),
        locked(readable, "promote"),
    ):
        pass


def test_four_processes_open_a_fresh_store_at_once_and_register_everything_once(
    tmp_path, monkeypatch
):
    """MLflow alone cannot make one database in several processes."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    command = [sys.executable, str(PROCESSES), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        names = [name for (name,) in store.execute("SELECT name FROM experiments")]
        keys = list(store.execute("SELECT value FROM tags WHERE key = 'record_digest'"))
        versions = list(store.execute("SELECT name, version FROM model_versions"))
        live = store.execute("SELECT value FROM tags WHERE key = 'live'").fetchall()
        points = Counter(store.execute("SELECT run_uuid FROM metrics WHERE key LIKE '%val_loss'"))
    assert sorted(names) == ["Default", *sorted(EXPERIMENTS)]
    assert len(keys) == len(set(keys)) == 4 + 3 + 1  # study and trials, seeds and pool, comparison
    assert versions == [("pix2z-full", 1)]
    assert live == [("true",)] * 4
    assert sum(count == 20 for count in points.values()) == 4
    assert not list(tmp_path.glob(".partial-*"))


def test_one_waits_while_another_writes_and_says_so(root, caplog):
    store, order = open_store(), []

    def second():
        with caplog.at_level("INFO"), locked(store.uri, "promote"):
            order.append("second")

    with locked(store, "register"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert "waiting to promote until another process leaves sqlite:///" in caplog.text


HOLD = """
import sys, time
from pix2z.tracking.store import locked
with locked(sys.argv[1], "wait"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("uri", ["sqlite:///{}/mlflow.db", "http://ann:secret@nowhere/{}"])
def test_the_lock_of_a_killed_process_is_free(tmp_path, monkeypatch, uri):
    """Beside a file, or for another store in the user's folder of caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    uri = uri.format(tmp_path)
    command = [sys.executable, "-c", HOLD, uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    with locked(uri, "register"):
        pass


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


def test_the_store_that_is_there_is_opened_with_the_experiments_that_it_has(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "of mlflow run")
    with existing_store() as store:
        assert store.uri == f"sqlite:///{root / 'mlflow.db'}"
        assert (store.client.search_registered_models(), store.experiments) == ([], {})
    made = open_store()
    with existing_store() as store:
        assert store.experiments == made.experiments


def test_a_missing_file_is_said_and_not_made(root):
    database = root / "mlflow.db"
    database.unlink()
    message = opened_error(InputError)
    assert message.startswith(f"{database}: no such store of MLflow; run `dvc repro`")
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


@pytest.mark.parametrize(
    "opened", [opened_error, lambda: str(pytest.raises(Pix2zError, open_store).value)]
)
def test_a_database_that_does_not_answer_is_one_line_at_once(monkeypatch, closed_port, opened):
    """Also where there is no driver for it."""
    uri = f"postgresql://me:secret@127.0.0.1:{closed_port}/mlflow"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    message = opened()
    assert "cannot be reached" in message or "needs" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("./mlruns", r"MLFLOW_TRACKING_URI: expected a store as sqlite:.*; received '\./mlruns'"),
        ("mongo://db/mlflow", r"MLFLOW_TRACKING_URI: expected .*; received 'mongo://db/mlflow'"),
        ("mysql://db/mlflow", r"mysql://db/mlflow: needs the package \w+$"),
    ],
)
def test_what_is_no_address_of_a_store_is_not_called_out_of_reach(monkeypatch, uri, words):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert re.match(words, opened_error(InputError))


def test_a_folder_whose_name_is_no_text_holds_no_store(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / os.fsdecode(b"caf\xe9")))
    for opened in (open_store, lambda: existing_store().__enter__()):
        with pytest.raises(
            InputError, match=r"/caf\\xe9/mlflow.db: MLflow's store cannot be where"
        ):
            opened()


def test_what_fails_within_is_one_line(root):
    def fail():
        with existing_store():
            raise MlflowException("the disk is full\nand more")

    with pytest.raises(Pix2zError, match="MLflow's store sqlite:.*: the disk is full$"):
        fail()
