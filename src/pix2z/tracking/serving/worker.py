"""Run as a file of its own: one worker of ``pix2z serve``, a model of MLflow's behind HTTP.

``python worker.py MODEL SOCKET``: folder of the model, file descriptor of the listening socket. The
worker writes ``ready``, or one line on why it cannot be, and ends when its stdin does. pix2z is not
imported here, so the version runs the code that was registered with it.

It speaks as ``mlflow models serve`` does, but

- parses JSON once and writes it in C, where MLflow 3.17 parses it twice and writes it in Python;
- refuses a body beyond `LARGEST_BODY` without holding or parsing it;
- says faults that MLflow finds before the model is asked in one sentence, without the input in it;
- refuses keys beside ``inputs`` and ``params``, which MLflow passes over in silence;
- answers 4xx where MLflow fails with a 500: no Content-Type, JSON nested without end, a number of
  thousands of digits.
"""

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from socket import socket
from typing import Any

import mlflow
import uvicorn
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.utils.proto_json_utils import NumpyEncoder

LARGEST_BODY = 128 * 2**20
"""Bytes: 1024 galaxies as JSON numbers of all digits take 110 MiB, as base64 27 MiB."""

_GUARDED = ("http", "/invocations", "POST")

LOG = logging.getLogger("pix2z.serve")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Guard:
    """An ASGI application: predictions by `answer`, all else (/ping, /version) by MLflow's."""

    def __init__(self, app: App, model: PyFuncModel) -> None:
        self.app = app
        self.model = model

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if (scope["type"], scope.get("path"), scope.get("method")) != _GUARDED:
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        if kind.partition(";")[0].strip().lower() != "application/json":
            status, content = _fault(415, f"Content-Type is {kind!r}; expected application/json.")
        elif body is None:
            status, content = _fault(413, f"The body is beyond {LARGEST_BODY:,} bytes.")
        else:
            status, content = await asyncio.to_thread(answer, self.model, body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def answer(model: PyFuncModel, body: bytes) -> tuple[int, bytes]:
    """Return the HTTP status and the JSON for the body of a request."""
    try:
        asked = json.loads(body)
    except (RecursionError, ValueError) as error:
        return _fault(400, f"The body cannot be read as JSON ({error}).")
    if not isinstance(asked, dict) or not scoring_server.SUPPORTED_FORMATS & asked.keys():
        return _fault(400, "Expected a JSON object with the key inputs, and params as wanted.")
    if others := asked.keys() - scoring_server.SUPPORTED_FORMATS - {"params"}:
        return _fault(400, f"The key {min(others)[:40]!r} is beside inputs; expected it within.")
    try:
        given = scoring_server._parse_json_data(
            asked, model.metadata, model.metadata.get_input_schema()
        )
        found = model.predict(given.data, params=given.params)
        rows = found.to_dict(orient="records")
        return 200, json.dumps({"predictions": rows}, cls=NumpyEncoder).encode()
    except MlflowException as error:
        return _fault(error.get_http_status_code(), one_sentence(error.message))
    except Exception as error:
        if type(error).__name__ == "InputError":  # a version from before it read requests itself
            return _fault(400, one_sentence(str(error)))
        LOG.exception("a request failed")
        return _fault(500, "The server failed; its log says why.")


def _fault(status: int, sentence: str) -> tuple[int, bytes]:
    return status, json.dumps({"message": sentence}).encode()


def one_sentence(message: str) -> str:
    """Take the sentence out of an error of MLflow, which may hold the input too."""
    message = re.sub(r"Failed to enforce schema of data .* Error: ", "", message, flags=re.DOTALL)
    message = message.replace(" when the model contains a valid type hint", "")
    return message.strip().partition("\n")[0][:500]


async def _body(receive: Receive) -> bytes | None:
    """Receive the whole body; None where it is beyond the limit, after throwing it away."""
    parts, size, more = [], 0, True
    while more:  # to the end in any case: a client that still writes would not read the answer
        message = await receive()
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= LARGEST_BODY:
            parts.append(part)
        else:
            parts.clear()
    return b"".join(parts) if size <= LARGEST_BODY else None


class _Server(uvicorn.Server):
    """Says when it is ready, and ends with its stdin."""

    def __init__(self, config: uvicorn.Config, say: Callable[[str], None]) -> None:
        super().__init__(config)
        self.say = say

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.say("ready")
        threading.Thread(target=self._end_with_stdin, daemon=True).start()

    def _end_with_stdin(self) -> None:
        while os.read(0, 1024):
            pass
        self.should_exit = True


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what TensorFlow writes while it loads off the terminal."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _own_stdout() -> Callable[[str], None]:
    """Return what writes a line to stdout; whatever else is written there goes to stderr."""
    kept = os.dup(1)
    os.dup2(2, 1)

    def say(line: str) -> None:
        os.write(kept, f"{line}\n".encode())

    return say


def main(folder: str, descriptor: str) -> None:
    """Load the model, answer until told to stop."""
    say = _own_stdout()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        with _quiet():
            model = mlflow.pyfunc.load_model(folder)
            app = Guard(scoring_server.init(model), model)
    except Exception as error:  # whatever it is, it is the answer
        line = (str(error).strip().splitlines() or [""])[0]
        say(f"{type(error).__name__}: {line}")
        sys.exit(1)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    with suppress(KeyboardInterrupt):
        _Server(config, say).run(sockets=[socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main(*sys.argv[1:])
