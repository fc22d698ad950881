"""A trained champion behind ``pix2z serve``, asked over HTTP as clients ask."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from pix2z.catalogue.estimator import Estimator, load_pool
from pix2z.files import read_json
from tests.conftest import LACKS

BIN = Path(sys.executable).parent
IMAGES = np.random.default_rng(0).normal(0.1, 0.05, (64, 32, 32, 5)).astype(np.float32)
EBV = np.linspace(0.0, 0.1, 64).round(4).tolist()
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def estimator(trained_pool) -> Estimator:
    return load_pool(trained_pool)


@pytest.fixture(scope="module")
def environment(tmp_path_factory, trained_pool) -> dict[str, str]:
    """A store whose champion is the trained pool, as environment variables."""
    from mlflow import MlflowClient

    from pix2z.tracking.packaging import save_model

    folder = tmp_path_factory.mktemp("registry")
    save_model(folder / "version", trained_pool)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    client.create_registered_model("pix2z")
    digest = read_json(trained_pool / "pool.json")["digest"]
    tags = {"pool_digest": digest, "source": "pix2z-full/1"}
    client.create_model_version("pix2z", str(folder / "version"), tags=tags)
    client.set_registered_model_alias("pix2z", "champion", "1")
    return {**os.environ, "MLFLOW_TRACKING_URI": uri, "TMPDIR": str(folder)}


@pytest.fixture(scope="module")
def served(environment) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Return the command and its port."""
    command = [str(BIN / "pix2z"), "serve", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            line = process.stdout.readline()
            start, _, rest = line.partition("http://127.0.0.1:")
            assert start == "pix2z/1 (from pix2z-full/1) answers at ", process.stderr.read()
            port, _, end = rest.partition("/")
            assert end == "invocations; Ctrl-C ends it\n"
            yield process, int(port)
        finally:
            process.terminate()


@pytest.fixture
def post(served):
    """Send a body, or what JSON makes of it; return status and content."""

    def send(asked, headers=JSON) -> tuple[int, dict]:
        body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
        with closing(HTTPConnection("127.0.0.1", served[1], timeout=60)) as connection:
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, json.loads(content) if response.status < 500 else {}

    return send


def text_of(images: np.ndarray) -> str:
    return base64.b64encode(images.astype("<f4").tobytes()).decode()


def column(content: dict, name: str) -> list:
    return [row[name] for row in content["predictions"]]


def test_both_forms_get_the_answers_of_the_estimator(post, estimator):
    expected = estimator.estimate(IMAGES[:3], np.array([0.01, np.nan, 0.02]))
    ebv = [0.01, None, 0.02]
    for asked in (
        {"inputs": {"images": IMAGES[:3].tolist(), "ebv": ebv}},
        {"inputs": {"images": text_of(IMAGES[:3]), "ebv": ebv}},
        {"inputs": IMAGES[:3].tolist(), "params": {"ebv": ebv}},
        {"inputs": text_of(IMAGES[:3]), "params": {"ebv": ebv}},
    ):
        status, content = post(asked)
        assert status == 200, content
        assert [flags & LACKS for flags in column(content, "pix2z_flags")] == [0, 4, 0]
        np.testing.assert_allclose(column(content, "z_median"), expected.z_median, rtol=1e-5)
        np.testing.assert_allclose(column(content, "z_err95_low"), expected.err95_low, rtol=1e-5)
        assert "pdf" not in content["predictions"][0]


FAULTS = [
    (
        {"inputs": IMAGES[:1, :16].tolist()},
        "images: expected shape (N, 32, 32, 5); received (1, 16, 32, 5)",
    ),
    ({"inputs": [[[["a"] * 5] * 32] * 32]}, "images has text in it; expected numbers"),
    (
        {"inputs": text_of(IMAGES[:2]), "params": {"ebv": [1]}},
        "ebv: expected shape (2,); received (1,)",
    ),
]


@pytest.mark.parametrize(("asked", "sentence"), FAULTS)
def test_a_fault_gets_one_sentence_without_its_input(post, asked, sentence):
    status, content = post(asked)
    assert status == 400
    assert "Traceback" not in json.dumps(content)
    assert len(json.dumps(content)) < 500
    assert content["message"].startswith(sentence)
    assert "\n" not in content["message"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{not json", JSON),
        (b"[" * 100_000, JSON),
        (b"{}", JSON),
        (b"a,b\n1,2\n", {"Content-Type": "text/csv"}),
        (b"{}", {}),
    ],
)
def test_what_mlflow_cannot_read_leaves_the_next_client_an_answer(post, body, headers):
    assert 400 <= post(body, headers)[0] <= 500
    status, content = post({"inputs": text_of(IMAGES[:1])})
    assert (status, len(content["predictions"])) == (200, 1)


def test_64_clients_at_once_lose_nothing(post, estimator):
    """Each asks for galaxies of its own, three times, and gets what the estimator says of them."""
    expected = [estimator.estimate(IMAGES[i : i + 1], EBV[i : i + 1]) for i in range(64)]
    asked = [
        {"inputs": {"images": text_of(IMAGES[i : i + 1]), "ebv": EBV[i : i + 1], "pdf": i % 2 == 0}}
        for i in range(64)
    ]
    assert len({of_client.z_median[0] for of_client in expected}) == 64  # all of them differ
    with ThreadPoolExecutor(64) as threads:
        answers = list(threads.map(lambda i: post(asked[i % 64]), range(3 * 64)))
    for i, (status, content) in enumerate(answers):
        assert status == 200
        (row,) = content["predictions"]
        of_client = expected[i % 64]
        assert row["z_median"] == pytest.approx(of_client.z_median[0], rel=1e-5)
        assert ("pdf" in row) == (i % 64 % 2 == 0)
        if "pdf" in row:
            np.testing.assert_allclose(row["pdf"], of_client.density[0], rtol=1e-4, atol=1e-5)


def test_a_large_batch_comes_back_in_order(post, estimator):
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(64), 16))
    status, content = post({"inputs": text_of(IMAGES[order])})
    assert status == 200
    expected = estimator.estimate(IMAGES[order]).z_median
    np.testing.assert_allclose(column(content, "z_median"), expected, rtol=1e-5)


def test_only_this_machine_is_listened_to(served):
    addresses = {socket.gethostbyname(socket.gethostname()), "127.0.0.2"} - {"127.0.0.1"}
    for address in addresses:
        with socket.socket() as outside:
            assert outside.connect_ex((address, served[1])) != 0


def test_ctrl_c_ends_quietly(served, environment):
    """Last, since the server is gone afterwards; what failed requests wrote to the log stays."""
    process, port = served
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert "KeyboardInterrupt" not in err
    assert not list(Path(environment["TMPDIR"]).glob("pix2z-serve-*"))
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
