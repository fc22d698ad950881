"""GET over HTTP: URLs, redirects, bytes as they arrive, and what can go wrong on the way."""

import ssl
from collections.abc import Iterator
from http.client import IncompleteRead
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pix2z import __version__
from pix2z.errors import InputError, Pix2zError

__all__ = ["Interrupted", "check_url", "get", "new_session", "one_line", "read_chunks"]

CHUNK = 2**20
"""Bytes read at once, at most; what has arrived is handed on without waiting for more."""

MAX_REDIRECTS = 10


class Interrupted(Exception):
    """A transfer stopped where trying again may help; `download` catches it and counts.

    retry_after : seconds the server asks to wait, or None.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


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


def new_session() -> requests.Session:
    """Make a session that names pix2z to the server."""
    session = requests.Session()
    session.headers["User-Agent"] = f"pix2z/{__version__}"
    return session


def get(
    session: requests.Session, url: str, *, headers: dict[str, str], timeout: tuple[float, float]
) -> requests.Response:
    """GET, following redirects one by one, so that none leads from https to http unseen."""
    # Compressed on the way, neither offsets nor lengths would be those of the file.
    headers = {"Accept-Encoding": "identity", **headers}
    address = url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            response = session.get(
                address, headers=headers, timeout=timeout, stream=True, allow_redirects=False
            )
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _interruption(url, error, silence=timeout[1]) from error
        except requests.RequestException as error:
            raise InputError(f"{url}: cannot be requested ({one_line(error)})") from error
        target = session.get_redirect_target(response)
        if target is None:
            return response
        response.close()
        address = _redirected(url, address, target)
    raise Pix2zError(f"{url}: more than {MAX_REDIRECTS} redirects")


def _redirected(url: str, address: str, target: str) -> str:
    """Where `target`, the Location that `address` answered, leads; checked."""
    following = urljoin(address, target)
    check_url(following)
    if urlsplit(address).scheme == "https" and urlsplit(following).scheme == "http":
        raise Pix2zError(f"{url}: redirected from https to {following}, which is not followed")
    return following


def read_chunks(url: str, response: requests.Response, *, silence: float) -> Iterator[bytes]:
    """Yield the body as it arrives; fewer bytes than Content-Length raise Interrupted."""
    while True:
        try:
            # Not iter_content: it waits for a full chunk, and drops what it has when that fails.
            chunk = response.raw.read1(CHUNK)
        except urllib3.exceptions.HTTPError as error:
            raise _interruption(url, error, silence=silence) from error
        if not chunk:
            return
        yield chunk


def _interruption(url: str, error: Exception, *, silence: float) -> Interrupted:
    """Say in a few words what went wrong; a certificate that is refused stays refused."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = one_line(cause.verify_message)
            raise Pix2zError(f"{url}: its certificate is refused ({reason})") from error
        if isinstance(cause, requests.ConnectTimeout):
            return Interrupted("no connection in time")
        if isinstance(cause, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            return Interrupted(f"no byte for {silence:g} s")
        if isinstance(cause, IncompleteRead):
            return Interrupted("the connection ended too early")
    last = causes[-1]
    return Interrupted((isinstance(last, OSError) and last.strerror) or one_line(last))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what led to it, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def one_line(value: object) -> str:
    """Text of foreign origin, fit for the middle of a message."""
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else f"{text[:200]}..."
