"""One worker of the server, without a port: requests go in as ASGI messages."""

import asyncio
import json

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError
from pix2z.tracking.serving import worker
from pix2z.tracking.serving.request import ModelFailure, RequestError
from pix2z.tracking.serving.worker import Guard, answer

JSON = [(b"content-type", b"application/json")]


class Metadata:
    """Of a version that takes its input as it comes."""

    def get_input_schema(self):
        return None

    def _is_signature_from_type_hint(self):
        return True


class Model:
    """Stands for a loaded version: says how long the input is."""

    metadata = Metadata()

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = []
        self.error = error

    def predict(self, data, params=None):
        self.asked.append((data, params))
        if self.error:
            raise self.error
        return pd.DataFrame({"n": range(len(data)), "pdf": [[0.5, 1.5]] * len(data)})


async def elsewhere(scope, receive, send):
    """Stand for MLflow's own application."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def send_request(
    model, *, body=b'{"inputs": [1, 2]}', headers=JSON, path="/invocations", method="POST", pieces=1
):
    """Return status and content of the answer."""
    scope = {"type": "http", "path": path, "method": method, "headers": list(headers)}
    size = -(-len(body) // pieces) or 1
    parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]
    incoming = [
        {"type": "http.request", "body": part, "more_body": i + 1 < len(parts)}
        for i, part in enumerate(parts)
    ]
    sent = []

    async def receive():
        return incoming.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(elsewhere, model)(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent[1:])
    if sent[0]["status"] != 418:
        assert not incoming, "the client would still be writing"
        assert dict(sent[0]["headers"])[b"content-length"] == str(len(content)).encode()
    return sent[0]["status"], json.loads(content)


@pytest.mark.parametrize("pieces", [1, 3])
def test_rows_come_back(pieces):
    model = Model()
    body = b'{"inputs": [1, 2], "params": {"pdf": true}}'
    rows = [{"n": 0, "pdf": [0.5, 1.5]}, {"n": 1, "pdf": [0.5, 1.5]}]
    assert send_request(model, body=body, pieces=pieces) == (200, {"predictions": rows})
    assert model.asked == [([1, 2], {"pdf": True})]


def test_other_paths_and_methods_are_left_to_mlflow():
    for path, method in (("/ping", "GET"), ("/invocations", "GET"), ("/ping", "POST")):
        assert send_request(Model(), headers=[], path=path, method=method) == (418, {})


@pytest.mark.parametrize("kind", [None, b"text/csv", b"application/vnd.apache.parquet", b""])
def test_only_json_is_read(kind):
    headers = [] if kind is None else [(b"content-type", kind)]
    status, content = send_request(Model(), headers=headers)
    assert status == 415
    assert content["message"].endswith("expected application/json.")


def test_a_charset_is_part_of_json():
    headers = [(b"content-type", b"Application/JSON; charset=utf-8")]
    assert send_request(Model(), headers=headers)[0] == 200


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_body_beyond_the_limit_never_reaches_the_model(monkeypatch, pieces):
    monkeypatch.setattr(worker, "LARGEST_BODY", 100)
    model = Model()
    body = b'{"inputs": [1]}'.ljust(100)
    assert send_request(model, body=body, pieces=pieces)[0] == 200
    status, content = send_request(model, body=body + b" ", pieces=pieces)
    assert (status, content["message"]) == (413, "The body is beyond 100 bytes.")
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body cannot be read as JSON (Expecting value: line 1"),
        (b"{inputs: 1}", "The body cannot be read as JSON (Expecting property name"),
        (b'{"inputs": "\xff"}', "The body cannot be read as JSON ('utf-8' codec can't decode"),
        (b"[" * 100_000, "The body cannot be read as JSON (maximum recursion depth"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "The body cannot be read as JSON (Exceeds the limit"),
        (b"null", "Expected a JSON object with the key inputs, and params as wanted."),
        (b"[[1]]", "Expected a JSON object with the key inputs"),
        (b"{}", "Expected a JSON object with the key inputs"),
        (b'{"images": [1]}', "Expected a JSON object with the key inputs"),
        (b'{"inputs": [1], "ebv": [1]}', "The key 'ebv' is beside inputs; expected it within."),
        (b'{"instances": [1]}', "Request payload must be a dictionary with 'inputs' key."),
    ],
)
def test_a_body_that_cannot_be_read_is_the_clients_fault(body, sentence):
    model = Model()
    status, content = answer(model, body)
    message = json.loads(content)["message"]
    assert status == 400
    assert message.startswith(sentence)
    assert "\n" not in message
    assert not model.asked


SCHEMA = "Failed to enforce schema of data '[1\n2]' with schema '[x]'. Error: Shape (2,) is wrong."


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (RequestError("One sentence."), 400, "One sentence."),
        (ModelFailure("The model failed."), 500, "The model failed."),
        (MlflowException.invalid_parameter_value(SCHEMA), 400, "Shape (2,) is wrong."),
        (MlflowException.invalid_parameter_value("Bad.\nInput:\n[1"), 400, "Bad."),
        (
            InputError("ebv must have shape (2,); got (1,)"),
            400,
            "ebv must have shape (2,); got (1,)",
        ),
        (KeyError("secret"), 500, "The server failed; its log says why."),
    ],
)
def test_a_failure_of_the_model_is_one_sentence(error, status, sentence, caplog):
    assert send_request(Model(error)) == (status, {"message": sentence})
    assert ("secret" in caplog.text) == isinstance(error, KeyError)
