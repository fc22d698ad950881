"""Workers of Dask: what they make is what one process makes, though they are killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import dask
import pandas as pd
import psutil
import pytest
from distributed import LocalCluster

from pix2z.errors import InputError, Pix2zError
from pix2z.survey_scale import cluster
from pix2z.survey_scale.cluster import workers
from tests.survey_scale.conftest import ROWS, in_turn, whole_run


def worker_processes():
    return [
        child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())
    ]


def listening():
    """Sockets of this process and its children on which somebody listens."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    connections = [one for process in processes for one in process.net_connections("inet")]
    return {tuple(one.laddr) for one in connections if one.status == psutil.CONN_LISTEN}


def answers_http(address):
    """Whether a web server is there; Dask's own sockets close, or wait for more."""
    with socket.create_connection(address, timeout=0.2) as asked:
        asked.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return b"HTTP/" in asked.recv(100)
        except OSError:
            return False


def test_workers_that_are_killed_lose_nothing_and_change_no_value(
    request_for, survey_folder, tmp_path
):
    """They are killed after the first partition: one of them is then in the middle."""
    killed = []

    def kill(_):
        if not killed:
            killed.extend(worker_processes())
            for process in killed:
                process.kill()

    with workers("local:2") as run_each:
        assert {ip for ip, _ in listening()} == {"127.0.0.1"}
        assert not [address for address in listening() if answers_http(address)]
        _, summary = whole_run(survey_folder, request_for("dask"), run_each, kill)
    assert len(killed) == 2
    assert not summary.failures
    assert summary.n_rows == sum(ROWS.values())
    with workers("local:1") as run_each:
        whole_run(survey_folder, request_for("one", partition_rows=24), run_each)
    whole_run(survey_folder, request_for("none", partition_rows=40), in_turn)
    tables = [pd.read_parquet(tmp_path / name) for name in ("dask", "one", "none")]
    assert len({table.to_numpy().tobytes() for table in tables}) == 1
    assert not [path.name for path in (tmp_path / "dask").iterdir() if path.suffix != ".parquet"]
    assert not worker_processes()


@pytest.mark.parametrize("where", ["remote", "local:0", "local:x", "http://127.0.0.1:1"])
def test_an_address_that_is_none_is_refused(where):
    with pytest.raises(InputError, match="--dask: expected local, local:N, tcp"), workers(where):
        pass


def test_without_workers_or_scheduler_one_line_says_so(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    monkeypatch.setattr(cluster, "POLL", 0.1)
    with (
        LocalCluster(n_workers=0, dashboard_address=None) as nobody,
        workers(nobody.scheduler_address) as run_each,
        pytest.raises(Pix2zError, match="all workers of Dask are lost: none has come back"),
    ):
        list(run_each(abs, [1]))


def test_a_scheduler_that_is_not_there_is_one_line():
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.1s"}),
        pytest.raises(InputError, match="--dask tcp://127.0.0.1:1: no scheduler answers"),
        workers("tcp://127.0.0.1:1"),
    ):
        pass


def end_worker(argument):
    if argument == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return -argument


@pytest.mark.long
def test_what_ends_every_worker_is_given_up_and_the_rest_is_done():
    with workers("local:2") as run_each:
        found = dict(run_each(end_worker, range(8)))
    assert found == {n: None if n == 3 else -n for n in range(8)}


@pytest.mark.long
def test_ctrl_c_is_one_line_and_the_same_command_goes_on(survey_folder, trained_pool, tmp_path):
    """A terminal sends it to the workers, too."""
    (tmp_path / "many").mkdir()
    for number in range(60):
        shutil.copy(survey_folder / "b.h5", tmp_path / f"many/{number:02}.h5")
    program = "from pix2z.cli import main; main()"
    options = ("--model", trained_pool, "--no-check", "--dask", "local:2")
    command = [sys.executable, "-c", program, "predict", "many", "--out", "z", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    process = subprocess.Popen(command, start_new_session=True, **pipes)
    while not list((tmp_path / "z").glob("*.parquet")):
        time.sleep(0.01)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    n = len(list((tmp_path / "z").glob("*.parquet")))
    words = "1 partition is" if n == 1 else f"{n} partitions are"
    assert errors == f"interrupted: {words} finished in z; the same command goes on from there\n"
    assert not list((tmp_path / "z").glob(".partial*"))
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.startswith(f"{n} of 60 partitions were finished before.\n")
