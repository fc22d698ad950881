"""A local HTTP server of a few files, each of which misbehaves as its own script says.

Each request of a file takes the next fault of its `script`; when none is left, the file is served
well: ranges, If-Range, ETag and Last-Modified as RFC 9110 has them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    """One request, and how many bytes of body it was sent."""

    path: str
    headers: dict[str, str]
    sent: int = 0

    @property
    def start(self) -> int:
        return int(self.headers.get("range", "bytes=0-")[len("bytes=") : -1])


@dataclass
class ServedFile:
    content: bytes
    url: str = ""
    etag: str | None = '"one"'
    last_modified: str | None = "Mon, 01 Mar 2021 00:00:00 GMT"
    script: list[Callable[["Handler"], None]] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)

    @property
    def starts(self) -> list[int]:
        """First byte that each request asked for."""
        return [seen.start for seen in self.requests]


@dataclass
class Archive:
    """Files by path; `asked` are the paths of all requests, in order.

    answers : path -> what is answered there to a query.
    """

    url: str
    files: dict[str, ServedFile] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answers: dict[str, Callable[[str], bytes]] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, path: str, content: bytes) -> ServedFile:
        self.files[path] = ServedFile(content, self.url + path)
        return self.files[path]


class Handler(BaseHTTPRequestHandler):
    """Serves the file of a path, 404 where there is none; a fault may use `begin` and `send`."""

    archive: Archive

    def do_GET(self) -> None:
        self.seen = Seen(self.path, {key.lower(): text for key, text in self.headers.items()})
        self.archive.asked.append(self.path)
        missing = ServedFile(b"", etag=None, script=[answer(404, b"<html>no such file</html>")])
        self.file = self.archive.files.get(self.path, missing)
        path, _, query = self.path.partition("?")
        if path in self.archive.answers:
            self.file = ServedFile(self.archive.answers[path](query), etag=None)
        self.file.requests.append(self.seen)
        fault = self.file.script.pop(0) if self.file.script else serve
        try:
            fault(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client went away, as it may

    def log_message(self, *_: object) -> None:
        """Keep the test's stderr for what is tested."""

    @property
    def first(self) -> int:
        """First byte to be sent, after Range and If-Range."""
        asked = self.seen.headers.get("if-range")
        fresh = asked in (None, self.file.etag, self.file.last_modified)
        return self.seen.start if fresh else 0

    def begin(self, status: int, **headers: str | int | None) -> None:
        """Send status and headers; names with underscores, None to leave out."""
        told: dict[str, str | int | None] = {
            "ETag": self.file.etag,
            "Last_Modified": self.file.last_modified,
        }
        self.send_response(status)
        for name, value in (told | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def begin_file(self, first: int) -> None:
        size = len(self.file.content)
        if first:
            told = f"bytes {first}-{size - 1}/{size}"
            self.begin(206, Content_Length=size - first, Content_Range=told)
        else:
            self.begin(200, Content_Length=size)

    def send(self, body: bytes) -> None:
        self.wfile.write(body)
        self.wfile.flush()
        self.seen.sent += len(body)


def serve(handler: Handler) -> None:
    content, first = handler.file.content, handler.first
    if first >= len(content) > 0:
        handler.begin(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
        return
    handler.begin_file(first)
    handler.send(content[first:])


def truncate(count: int, *, ranges: bool = True) -> Callable[[Handler], None]:
    """Send `count` bytes of what was told, and close the connection."""

    def fault(handler: Handler) -> None:
        first = handler.first if ranges else 0
        handler.begin_file(first)
        handler.send(handler.file.content[first : first + count])

    return fault


def stall(count: int) -> Callable[[Handler], None]:
    """Send `count` bytes, and nothing until the server is released."""

    def fault(handler: Handler) -> None:
        truncate(count)(handler)
        handler.archive.released.wait()

    return fault


def change(content: bytes, *, etag: str | None) -> Callable[[Handler], None]:
    """Put another file in place of the one, and serve it."""

    def fault(handler: Handler) -> None:
        handler.file.content, handler.file.etag = content, etag
        serve(handler)

    return fault


def answer(
    status: int, body: bytes = b"", **headers: str | int | None
) -> Callable[[Handler], None]:
    """Send this status, these headers and this body."""

    def fault(handler: Handler) -> None:
        handler.begin(status, **({"Content_Length": len(body)} | headers))
        handler.send(body)

    return fault


@contextmanager
def archive_serving() -> Iterator[Archive]:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), type("Serving", (Handler,), {}))
    archive = Archive(f"http://127.0.0.1:{listener.server_address[1]}")
    listener.RequestHandlerClass.archive = archive
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield archive
    finally:
        archive.released.set()
        listener.shutdown()
        listener.server_close()
        thread.join()
