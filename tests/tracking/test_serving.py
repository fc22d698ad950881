"""A registered version behind real servers: ``pix2z serve`` and plain ``mlflow models serve``."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from pix2z.network.estimator import Estimator, load_pool

BIN = Path(sys.executable).parent
IMAGES = np.random.default_rng(0).normal(0.1, 0.05, (64, 32, 32, 5)).astype(np.float32)
EBV = np.linspace(0.0, 0.1, 64).round(4).tolist()


@pytest.fixture(scope="module")
def estimator(tiny_pool) -> Estimator:
    return load_pool(tiny_pool)


@pytest.fixture(scope="module")
def environment(tmp_path_factory, tiny_record) -> dict[str, str]:
    """A store whose champion is a version of `tiny_pool`, as environment variables."""
    from pix2z.tracking.packaging import ensure_versions
    from pix2z.tracking.store import open_store

    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", uri)
        store = open_store()
        run = store.client.create_run(store.experiments["pix2z-train"])
        ensure_versions(store, [replace(tiny_record, run_id=run.info.run_id)])
        store.client.copy_model_version("models:/pix2z-full/1", "pix2z")
        store.client.set_registered_model_alias("pix2z", "champion", "1")
    return {**os.environ, "MLFLOW_TRACKING_URI": uri, "TMPDIR": str(folder)}


@pytest.fixture(scope="module")
def processes(environment) -> Iterator[dict[str, tuple[subprocess.Popen[str], int]]]:
    """Both servers, started side by side; name -> process and port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        plain_port = found.getsockname()[1]
    plain = ["mlflow", "models", "serve", "-m", "models:/pix2z@champion", "--env-manager", "local"]
    commands = {
        "pix2z": ["pix2z", "serve", "--port", "0"],
        "mlflow": [*plain, "--port", str(plain_port)],
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = {
        name: subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            env={**environment, "PATH": f"{BIN}:{os.environ['PATH']}"},
            text=True,
            start_new_session=True,
            **(pipes if name == "pix2z" else quiet),
        )
        for name, command in commands.items()
    }
    try:
        line = started["pix2z"].stdout.readline()
        assert " answers at http://127.0.0.1:" in line, started["pix2z"].stderr.read()
        port = int(line.partition("127.0.0.1:")[2].partition("/")[0])
        _wait(plain_port)
        yield {"pix2z": (started["pix2z"], port), "mlflow": (started["mlflow"], plain_port)}
    finally:
        for process in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)


def _wait(port: int) -> None:
    """Wait until the server on `port` answers."""
    end = time.monotonic() + 120
    while True:
        with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", "/ping")
                assert connection.getresponse().status == 200
                return
            except OSError:
                assert time.monotonic() < end, "the server does not answer"
        time.sleep(0.2)


@pytest.fixture(params=["pix2z", "mlflow"])
def server(request, processes):
    """Ask either server: a body or what JSON makes of it -> status, content."""
    port = processes[request.param][1]
    return lambda asked, **headers: post(port, asked, **headers)


def post(port: int, asked, **headers) -> tuple[int, dict]:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    kind = headers or {"Content-Type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", "/invocations", body, kind)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def text_of(images: np.ndarray) -> str:
    return base64.b64encode(images.astype("<f4").tobytes()).decode()


def column(content: dict, name: str) -> list:
    return [row[name] for row in content["predictions"]]


def test_both_forms_get_the_answers_of_the_estimator(server, estimator):
    expected = estimator.estimate(IMAGES[:3], np.array([0.01, np.nan, 0.02]))
    ebv = [0.01, None, 0.02]
    for asked in (
        {"inputs": {"images": IMAGES[:3].tolist(), "ebv": ebv}},
        {"inputs": {"images": text_of(IMAGES[:3]), "ebv": ebv}},
        {"inputs": IMAGES[:3].tolist(), "params": {"ebv": ebv}},
        {"inputs": text_of(IMAGES[:3]), "params": {"ebv": ebv}},
    ):
        status, content = server(asked)
        assert status == 200, content
        assert column(content, "flags") == [0, 4, 0]
        for name in ("median", "mean", "mode"):
            found = column(content, f"z_{name}")
            np.testing.assert_allclose(found, getattr(expected, f"z_{name}"), rtol=1e-6)
        for name in ("err68_low", "err68_high", "err95_low", "err95_high"):
            np.testing.assert_allclose(
                column(content, f"z_{name}"), getattr(expected, name), rtol=1e-6
            )
        assert "pdf" not in content["predictions"][0]


def test_pdfs_are_given_on_their_bins(server, estimator):
    expected = estimator.estimate(IMAGES[:2])
    status, content = server({"inputs": {"images": text_of(IMAGES[:2]), "pdf": True}})
    assert status == 200
    np.testing.assert_allclose(column(content, "pdf"), expected.density, rtol=1e-5)
    np.testing.assert_allclose(column(content, "pdf_z"), [expected.grid.centres] * 2)


FAULTS = {
    "shape": ({"inputs": IMAGES[:1, :16].tolist()}, "images are lists of shape (1, 16, 32, 5)"),
    "text": ({"inputs": [[[["a"] * 5] * 32] * 32]}, "images has text in it; expected numbers"),
    "ragged": ({"inputs": [*IMAGES[:1].tolist(), [0.1]]}, "images are lists of unequal lengths"),
    "null": ({"inputs": None}, "images is null; expected numbers of shape"),
    "empty": ({"inputs": []}, "images holds no galaxy; expected at least one."),
    "huge": ({"inputs": [0] * 1025}, "images holds 1025 galaxies; expected 1024 at most"),
    "huge as text": (
        {"inputs": text_of(np.zeros((1025, 32, 32, 5)))},
        "images holds 1025 galaxies; expected 1024 at most",
    ),
    "not base64": ({"inputs": "***"}, "images is text but not base64"),
    "cut off": ({"inputs": text_of(IMAGES[:1])[:-8]}, "expected a multiple of 20480"),
    "bright": ({"inputs": text_of(IMAGES[:1] * 1e9)}, "images[0] has a pixel beyond 1,000,000"),
    "ebv": ({"inputs": {"images": text_of(IMAGES[:2]), "ebv": [0.1]}}, "ebv has shape (1,)"),
    "ebv in params": ({"inputs": text_of(IMAGES[:2]), "params": {"ebv": [1]}}, "ebv has shape"),
    "ebv in words": ({"inputs": {"images": text_of(IMAGES[:1]), "ebv": ["a"]}}, "ebv has text"),
    "pdf": ({"inputs": {"images": text_of(IMAGES[:1]), "pdf": "yes"}}, "pdf is text; expected"),
    "key": ({"inputs": {"image": text_of(IMAGES[:1])}}, "inputs has the key 'image'; expected"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_gets_one_sentence_and_the_next_client_an_answer(server, fault):
    asked, sentence = FAULTS[fault]
    status, content = server(asked)
    assert status == 400
    assert content["message"].startswith(sentence) or sentence in content["message"]
    assert "\n" not in content["message"]
    assert len(content["message"]) < 250
    assert "stack_trace" not in content
    assert "Traceback" not in json.dumps(content)
    status, content = server({"inputs": text_of(IMAGES[:1])})
    assert (status, len(content["predictions"])) == (200, 1)


UNREADABLE = {
    "not JSON": (b"{not json", 400, "cannot be read as JSON"),
    "nothing": (b"", 400, "cannot be read as JSON"),
    "nested without end": (b"[" * 100_000, 400, "cannot be read as JSON"),
    "a list": (b"[1]", 400, "Expected a JSON object with the key inputs"),
    "no inputs": (b"{}", 400, "Expected a JSON object with the key inputs"),
    "beside": ({"inputs": [], "ebv": [1]}, 400, "The key 'ebv' is beside inputs"),
    "params": ({"inputs": text_of(IMAGES[:1]), "params": {"ebv": "x"}}, 400, "Invalid parameters"),
    "too many bytes": (b" " * (128 * 2**20 + 1), 413, "The body is beyond 134,217,728 bytes."),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_pix2z_serve_says_in_one_sentence_what_mlflow_says_otherwise(processes, fault):
    port = processes["pix2z"][1]
    asked, expected, sentence = UNREADABLE[fault]
    status, content = post(port, asked)
    assert (status, list(content)) == (expected, ["message"])
    assert sentence in content["message"]
    assert "\n" not in content["message"]
    assert len(content["message"]) < 250
    assert post(port, {"inputs": text_of(IMAGES[:1])})[0] == 200


@pytest.mark.parametrize("kind", ["text/csv", "application/vnd.apache.parquet", ""])
def test_pix2z_serve_reads_json_only(processes, kind):
    port = processes["pix2z"][1]
    status, content = post(port, {"inputs": text_of(IMAGES[:1])}, **{"Content-Type": kind})
    assert (status, list(content)) == (415, ["message"])
    assert post(port, {"inputs": text_of(IMAGES[:1])})[0] == 200


def test_64_clients_at_once_lose_nothing(server, estimator):
    """Each asks for galaxies of its own, three times, and gets what the estimator says of them."""
    expected = [estimator.estimate(IMAGES[i : i + 1], EBV[i : i + 1]) for i in range(64)]
    asked = [
        {"inputs": {"images": text_of(IMAGES[i : i + 1]), "ebv": EBV[i : i + 1], "pdf": i % 2 == 0}}
        for i in range(64)
    ]
    assert len({found.z_median[0] for found in expected}) == 64  # none can stand for another
    with ThreadPoolExecutor(64) as threads:
        answers = list(threads.map(lambda i: server(asked[i % 64]), range(3 * 64)))
    for i, (status, content) in enumerate(answers):
        assert status == 200
        found = content["predictions"][0]
        of_client = expected[i % 64]
        assert found["z_median"] == pytest.approx(of_client.z_median[0], rel=1e-6)
        if "pdf" in found:
            np.testing.assert_allclose(found["pdf"], of_client.density[0], rtol=1e-5)
        assert ("pdf" in found) == (i % 64 % 2 == 0)


def test_a_large_batch_comes_back_in_order(server, estimator):
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(64), 16))
    status, content = server({"inputs": text_of(IMAGES[order])})
    assert status == 200
    expected = estimator.estimate(IMAGES[order]).z_median
    np.testing.assert_allclose(column(content, "z_median"), expected, rtol=1e-6)


def test_only_this_machine_is_listened_to(processes):
    for _, port in processes.values():
        addresses = {socket.gethostbyname(socket.gethostname()), "127.0.0.2"} - {"127.0.0.1"}
        for address in addresses:
            with socket.socket() as outside:
                assert outside.connect_ex((address, port)) != 0


def test_ctrl_c_ends_quietly(processes):
    """Last, since the server is gone afterwards."""
    process, port = processes["pix2z"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
