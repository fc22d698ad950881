"""One GET of a file from an offset on, and everything a server may answer wrongly.

An answer ends in one of three ways: bytes; `Interrupted`, where trying again may help; or an error
of pix2z, where it does not: InputError where the URL leads to no such file, Pix2zError where the
answer contradicts itself.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from pix2z.archive.transfer.transport import Interrupted, get, one_line, read_chunks
from pix2z.errors import InputError, Pix2zError

__all__ = ["Answer", "NotFoundError", "Remote", "open_answer"]

TRY_AGAIN = frozenset({408, 425, 429})
"""Status codes, beside 5xx, that may pass."""

NO_SUCH_FILE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class NotFoundError(InputError):
    """The server says that it has no such file."""


@dataclass(frozen=True)
class Remote:
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
    """Bytes of `remote` from `start` on; `chunks` raises Interrupted where they break off."""

    remote: Remote
    start: int
    content_type: str
    chunks: Iterator[bytes]


@contextmanager
def open_answer(
    session: requests.Session,
    url: str,
    *,
    start: int,
    expected: Remote | None,
    timeout: tuple[float, float],
) -> Iterator[Answer]:
    """Ask for `url` from byte `start` on, and yield what comes.

    Where the server has another version than `expected`, or no ranges, the answer begins at 0.

    Parameters
    ----------
    start : bytes already here; 0 asks for the whole file.
    expected : the version these bytes are of; needed where `start` is not 0.
    timeout : seconds to wait for a connection, and for bytes.

    Raises
    ------
    Interrupted
        No connection, silence, or a status that may pass.
    InputError
        Another status, such as 403; NotFoundError where there is no such file.
    Pix2zError
        An answer that contradicts the request, `expected` or itself.
    """
    if start and expected is not None:
        with get(session, url, headers=_rest(start, expected), timeout=timeout) as response:
            if not _is_outdated(response, expected):
                yield _answer(url, response, start=start, expected=expected, silence=timeout[1])
                return
    with get(session, url, headers={}, timeout=timeout) as response:
        yield _answer(url, response, start=0, expected=None, silence=timeout[1])


def _rest(start: int, expected: Remote) -> dict[str, str]:
    """Headers that ask for the bytes from `start` on, if they are still those of `expected`."""
    headers = {"Range": f"bytes={start}-"}
    if expected.validator is not None:
        headers["If-Range"] = expected.validator
    return headers


def _answer(
    url: str, response: requests.Response, *, start: int, expected: Remote | None, silence: float
) -> Answer:
    """Check an answer to a request for the bytes from `start` on; `expected` is None for all."""
    _check_status(url, response)
    _check_encoding(url, response)
    content_type = one_line(response.headers.get("Content-Type", "unknown"))
    chunks = read_chunks(url, response, silence=silence)
    if response.status_code == HTTPStatus.OK:
        return Answer(_version(url, response), 0, content_type, chunks)
    if expected is None:
        raise _wrong_range(url, response, "status 200 and the whole file")
    _check_range(url, response, start=start, expected=expected)
    return Answer(expected, start, content_type, chunks)


def _check_status(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    text = f"HTTP {status} {one_line(response.reason or '')}".strip()
    if status in TRY_AGAIN or status >= 500:
        raise Interrupted(text, retry_after=_retry_after(response.headers.get("Retry-After")))
    refused = NotFoundError if status in NO_SUCH_FILE else InputError
    raise refused(f"{url}: the server answers {text}")


def _check_encoding(url: str, response: requests.Response) -> None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Pix2zError(f"{url}: sent with Content-Encoding {encoding}, which was not asked for")


def _version(url: str, response: requests.Response) -> Remote:
    """Describe the version that an answer of status 200 holds."""
    headers = response.headers
    return Remote(url, _content_length(response), headers.get("ETag"), headers.get("Last-Modified"))


def _check_range(url: str, response: requests.Response, *, start: int, expected: Remote) -> None:
    """Raise Pix2zError unless a 206 holds bytes of `expected` from `start` on.

    A range that ends before the file does is valid: the rest is asked for next.
    """
    found = _content_range(response)
    if found is None:
        raise _wrong_range(url, response, f"bytes {start} to the end")
    first, last, total = found
    whole = expected.total if total is None else total
    if first != start or last < first or whole != expected.total or last >= (whole or last + 1):
        raise _wrong_range(url, response, f"bytes {start} to the end of {expected.total}")


def _is_outdated(response: requests.Response, expected: Remote) -> bool:
    """Tell whether the rest cannot be had, as the file is another or shorter now.

    Some servers send a range of the new version in spite of If-Range. Headers that either side
    lacks say nothing; without any to compare, the total decides.
    """
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return True
    if response.status_code != HTTPStatus.PARTIAL_CONTENT:
        return False
    pairs = [
        (response.headers.get("ETag"), expected.etag),
        (response.headers.get("Last-Modified"), expected.last_modified),
    ]
    known = [(theirs, ours) for theirs, ours in pairs if theirs is not None and ours is not None]
    if known:
        return any(theirs != ours for theirs, ours in known)
    found = _content_range(response)
    return found is not None and found[2] not in (None, expected.total)


def _content_range(response: requests.Response) -> tuple[int, int, int | None] | None:
    """First byte, last byte and total of a Content-Range; None where there is none to read."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None:
        return None
    return int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])


def _wrong_range(url: str, response: requests.Response, expected: str) -> Pix2zError:
    received = response.headers.get("Content-Range", "none")
    return Pix2zError(
        f"{url}: the server answers {response.status_code} with Content-Range "
        f"{one_line(received)}; expected {expected}"
    )


def _content_length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _retry_after(text: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, a number or a date; negative for one gone by."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
