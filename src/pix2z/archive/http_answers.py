"""One GET of a file, from an offset on, and everything that a server may answer.

An answer ends in one of three ways: bytes; `Interrupted`, where trying again may help; or an error
of pix2z, where it does not, such as InputError where the URL leads to no such file.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pix2z import __version__
from pix2z.errors import InputError, Pix2zError
from pix2z.hdf5 import plain

__all__ = [
    "Answer",
    "Interrupted",
    "NotFoundError",
    "Version",
    "check_url",
    "new_session",
    "open_answer",
]

CHUNK = 2**20
"""Bytes read at once, at most; what has arrived is handed on without waiting for more."""

TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for bytes."""

TRY_AGAIN = frozenset({408, 425, 429})
"""Status codes, beside 5xx, that may pass."""

NO_SUCH_FILE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class NotFoundError(InputError):
    """The server says that it has no such file."""


class Interrupted(Exception):
    """A transfer stopped where trying again may help; `download` catches it and counts.

    response : what the server answered, which may have a Retry-After header; None without one.
    """

    def __init__(self, reason: str, response: urllib3.BaseHTTPResponse | None = None) -> None:
        super().__init__(reason)
        self.response = response


@dataclass(frozen=True)
class Version:
    """One version of a file on a server. total : bytes; None where the server does not say."""

    url: str
    total: int | None
    etag: str | None
    last_modified: str | None

    @property
    def validator(self) -> str | None:
        """What If-Range may hold: a strong ETag, else the date (RFC 9110, section 13.1.5)."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


@dataclass(frozen=True)
class Answer:
    """Bytes of `version` from `start` on; `chunks` raises Interrupted where they break off."""

    version: Version
    start: int
    chunks: Iterator[bytes]


def check_url(url: str) -> None:
    """Raise InputError unless `url` is http or https, with a host and without a password."""
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError as error:
        raise InputError(f"{url}: not a URL ({error})") from error
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(f"{url}: expected a URL that begins with https:// or http://")
    if user is not None:
        raise InputError(
            f"{parts.scheme}://...@{host}: expected a URL without user name or password, "
            "as it is recorded beside the file"
        )


class _Session(requests.Session):
    """Follows redirects, but none that leads from https to http unseen."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target: str | None = super().get_redirect_target(resp)
        if target is not None and urlsplit(resp.url).scheme == "https":
            following = urljoin(resp.url, target)
            if urlsplit(following).scheme == "http":
                raise Pix2zError(f"{resp.url}: redirects to {following}, which is not followed")
        return target


def new_session() -> requests.Session:
    """Make a session that names pix2z to the server; several threads may use it at once."""
    session = _Session()
    session.headers["User-Agent"] = f"pix2z/{__version__}"
    # Compressed on the way, neither offsets nor lengths would be those of the file.
    session.headers["Accept-Encoding"] = "identity"
    return session


@contextmanager
def open_answer(
    session: requests.Session,
    url: str,
    *,
    start: int,
    version: Version | None,
) -> Iterator[Answer]:
    """Ask for `url` from byte `start` on, and yield what comes.

    Where the server has another version now, or no ranges, the answer begins at 0.

    Parameters
    ----------
    start : bytes already here; 0 asks for the whole file.
    version : the version these bytes are of; where it is None or of unknown size, all is sent.

    Raises
    ------
    Interrupted
        No connection, silence, or a status that may pass.
    InputError
        Another status, such as 403; NotFoundError where there is no such file.
    Pix2zError
        A certificate that is refused, or a redirect from https to http.
    """
    if start and version is not None and version.total is not None:
        asked = {"Range": f"bytes={start}-"}
        if version.validator is not None:
            asked["If-Range"] = version.validator
        with _get(session, url, asked) as response:
            if _continues(response, start, version):
                yield Answer(version, start, _chunks(url, response))
                return
    with _get(session, url, {}) as response:
        if response.status_code != HTTPStatus.OK:
            refusal = NotFoundError if response.status_code in NO_SUCH_FILE else InputError
            raise refusal(f"{url}: the server answers {_status(response)}")
        headers, length = response.headers, response.headers.get("Content-Length", "")
        total = int(length) if length.isascii() and length.isdigit() else None
        now = Version(url, total, headers.get("ETag"), headers.get("Last-Modified"))
        yield Answer(now, 0, _chunks(url, response))


def _get(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    try:
        response = session.get(url, headers=headers, timeout=TIMEOUT, stream=True)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _interruption(url, error) from error
    except requests.RequestException as error:
        raise InputError(f"{url}: cannot be requested ({plain(str(error))[:200]})") from error
    if response.status_code in TRY_AGAIN or response.status_code >= 500:
        response.close()
        raise Interrupted(_status(response), response.raw)
    return response


def _status(response: requests.Response) -> str:
    return f"HTTP {response.status_code} {plain(response.reason or '')[:200]}".strip()


def _continues(response: requests.Response, start: int, version: Version) -> bool:
    """Tell whether an answer holds the bytes of `version` from `start` on.

    Some servers send a range of a new version in spite of If-Range, so that it is compared; headers
    that either side lacks say nothing.
    """
    headers = response.headers
    sent = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or sent is None or int(sent[1]) != start:
        return False
    pairs = [
        (headers.get("ETag"), version.etag),
        (headers.get("Last-Modified"), version.last_modified),
        (None if sent[2] == "*" else int(sent[2]), version.total),
    ]
    return all(theirs == ours for theirs, ours in pairs if None not in (theirs, ours))


def _chunks(url: str, response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives; fewer bytes than Content-Length raise Interrupted."""
    try:
        # Not iter_content: it waits for a full chunk, and drops what it has when that fails.
        while chunk := response.raw.read1(CHUNK):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise _interruption(url, error) from error


def _interruption(url: str, error: BaseException) -> Interrupted:
    """Say in a few words what went wrong; a certificate that is refused stays refused."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, ssl.SSLCertVerificationError):
        raise Pix2zError(f"{url}: its certificate is refused ({plain(str(error.verify_message))})")
    reason = error.strerror if isinstance(error, OSError) else None
    return Interrupted(reason or plain(str(error))[:200])
