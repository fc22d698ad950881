"""``pix2z fetch nersc`` against a server on this machine."""

import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from pix2z import cli
from tests.archive.server import answer, archive_serving, stall

N = 3


def write_set(path, *, side=107):
    """Write a small file in NERSC's layout."""
    rng = np.random.default_rng(3)
    keys = {
        "images": rng.normal(1, 0.1, (N, 5, side, side)).astype(np.float32),
        "specz_redshift": np.array([0.05, np.nan, 0.2], np.float32),
        "specz_redshift_err": np.full(N, 1e-5, np.float32),
        "ObjID": np.arange(N),
        "ra": np.array([10.0, 20.0, 30.0]),
        "dec": np.zeros(N),
        "e_bv": np.full((N, 5), 0.1, np.float32),
    }
    with h5py.File(path, "w") as file:
        for key, values in keys.items():
            file[key] = values


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("nersc") / "set.h5"
    write_set(path)
    return path.read_bytes()


@pytest.fixture
def server(content):
    with archive_serving() as served:
        yield served.add("/set.h5", content)


@pytest.fixture
def run(server, tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def command(*options, url=server.url):
        monkeypatch.setattr("sys.argv", ["pix2z", "fetch", "nersc", "--url", url, *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return command


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data/raw/sdss_w_specz_valid.h5"


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_was_fetched_can_be_read_as_the_command_says(run, out, content):
    code, said, errors = run()
    assert (code, errors) == (0, "")
    assert out.read_bytes() == content
    assert files(out.parent) == [out.name, f"{out.name}.provenance.json"]
    assert said.splitlines()[0].startswith(f"data/raw/{out.name}: fetched, 0.00 GB, SHA-256 ")
    assert "3 galaxies, 2 with a redshift." in said
    assert f"ingest:\n  source: data/raw/{out.name}\n  layout: nersc\n" in said
    assert "do not redistribute" in said


def test_a_second_call_says_that_it_is_there_without_a_request(run, server):
    run("--out", "set.h5")
    code, said, errors = run("--out", "set.h5")
    assert (code, errors) == (0, "")
    assert said.startswith("set.h5: is there already, fetched 20")
    assert "layout: nersc" in said
    assert len(server.requests) == 1


def one_line(errors):
    assert errors.count("\n") == 1
    assert errors.startswith("error: ")
    return errors


@pytest.mark.parametrize(
    ("script", "options", "code", "words"),
    [
        ([answer(404)], [], 2, "set.h5: the server answers HTTP 404 Not Found"),
        ([], ["--sha256", "0" * 64], 1, "what was received is removed"),
        ([], ["--url", "ftp://host/x.h5"], 2, "ftp://host/x.h5: expected a URL"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(run, server, out, script, options, code, words):
    server.script = [*script]
    ended, said, errors = run(*options)
    assert (ended, said) == (code, "")
    assert words in one_line(errors)
    assert not out.parent.exists() or files(out.parent) == []


def test_a_file_of_another_layout_is_kept_and_named(run, server, out, tmp_path):
    write_set(tmp_path / "other.h5", side=32)
    server.content = (tmp_path / "other.h5").read_bytes()
    code, said, errors = run()
    assert code == 2
    assert "layout: nersc" not in said
    assert one_line(errors).startswith(f"error: data/raw/{out.name}: images: ")
    assert out.read_bytes() == server.content


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(run, server, out, content):
    count = len(content) // 2
    server.script = [stall(count)]
    # A test run in the background hands its children a SIGINT that is ignored.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; from pix2z.cli import main; main()"]
        + ["fetch", "nersc", "--url", server.url, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = out.with_name(f".partial-{out.name}")
    deadline = time.monotonic() + 60
    while not partial.exists() or partial.stat().st_size < count:
        assert time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    assert errors == (
        f"interrupted: {count} bytes are kept, and the same command goes on from them\n"
    )
    assert run("--out", str(out))[0] == 0
    assert out.read_bytes() == content
    assert server.requests[-1].sent == len(content) - count


def test_a_server_that_recovers_is_told_of_in_a_line(run, server, monkeypatch):
    monkeypatch.setattr("urllib3.util.Retry.sleep", lambda *_: None)
    server.script = [answer(503)]
    code, said, errors = run("--out", "set.h5")
    assert code == 0
    assert errors.endswith("HTTP 503 Service Unavailable at byte 0: trying again\n")
    assert errors.count("\n") == 1
    assert "layout: nersc" in said
