"""``pix2z fetch nersc`` against a server on this machine."""

import signal
import subprocess
import sys
import time
from io import BytesIO

import h5py
import numpy as np
import pytest

from tests.archive.server import answer, archive_serving, stall
from tests.cli.conftest import one_line

N = 3


def small_set(*, side):
    """A small file in NERSC's layout."""
    packed = BytesIO()
    rng = np.random.default_rng(3)
    with h5py.File(packed, "w") as file:
        file["images"] = rng.normal(1, 0.1, (N, 5, side, side)).astype(np.float32)
        file["specz_redshift"] = np.array([0.05, np.nan, 0.2], np.float32)
    return packed.getvalue()


@pytest.fixture(scope="module")
def content():
    return small_set(side=107)


@pytest.fixture
def server(content):
    with archive_serving() as served:
        yield served.add("/set.h5", content)


@pytest.fixture
def run(server, tmp_path, pix2z_in):
    """Run the command in an empty folder: exit code, stdout, stderr."""
    return lambda *options: pix2z_in(tmp_path, "fetch", "nersc", "--url", server.url, *options)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data/raw/sdss_w_specz_valid.h5"


def test_what_was_fetched_can_be_read_as_the_command_says(run, out, content, server):
    code, said, errors = run()
    assert (code, errors) == (0, "")
    assert out.read_bytes() == content
    assert said.splitlines()[0].startswith(f"data/raw/{out.name}: fetched, 0.00 GB, SHA-256 ")
    assert "3 galaxies, 2 with a redshift." in said
    assert f"ingest:\n  source: data/raw/{out.name}\n  layout: nersc\n" in said
    assert "do not redistribute" in said
    code, said, errors = run()
    assert (code, errors) == (0, "")
    assert said.startswith(f"data/raw/{out.name}: is there already, fetched 20")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("script", "options", "code", "words"),
    [
        ([answer(404)], [], 2, "set.h5: the server answers HTTP 404 Not Found"),
        ([], ["--sha256", "0" * 64], 1, "what was received is removed"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(run, server, script, options, code, words):
    server.script = [*script]
    one_line(run(*options), words, code=code)


def test_a_file_of_another_layout_is_kept_and_named(run, server, out):
    server.content = small_set(side=32)
    code, said, errors = run()
    assert (code, errors.count("\n")) == (2, 1)
    assert "layout: nersc" not in said
    assert errors.startswith(f"error: data/raw/{out.name}: images: ")
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
