"""A local server of many files, each of which misbehaves as its own script says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from tests.archive.server import Handler, Server, answer


@dataclass
class Archive:
    """Files by path; `asked` are the paths of all requests, in order."""

    files: dict[str, Server] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, path: str, content: bytes) -> Server:
        self.files[path] = Server(content, released=self.released)
        return self.files[path]

    def named(self, end: str) -> Server:
        """The one file whose path ends so."""
        (found,) = [server for path, server in self.files.items() if path.endswith(end)]
        return found

    def asked_for(self, end: str) -> int:
        return sum(path.endswith(end) for path in self.asked)


class ArchiveHandler(Handler):
    """Answers 404 where there is no such file."""

    archive: Archive

    def do_GET(self) -> None:
        self.archive.asked.append(self.path)
        missing = Server(b"", etag=None, script=[answer(404, b"<html>no such file</html>")])
        self.scripted = self.archive.files.get(self.path, missing)
        super().do_GET()


@contextmanager
def archive_serving() -> Iterator[Archive]:
    archive = Archive()
    listener = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Scripted", (ArchiveHandler,), {"archive": archive})
    )
    archive.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield archive
    finally:
        archive.released.set()
        listener.shutdown()
        listener.server_close()
        thread.join()
