"""Downloads that can be interrupted anywhere: resumed, verified, recorded, atomic.

`download` appends to a hidden partial beside the file, over as many requests, processes and days
as it takes. The file gets its name when it is whole and verified; ``<name>.provenance.json``, then
beside it, says where it is from. Nothing that the server sends decides where anything is written.
"""

import hashlib
import logging
import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import requests
from urllib3 import Retry
from urllib3.exceptions import HTTPError, MaxRetryError

from pix2z.archive.http_answers import (
    Answer,
    Interrupted,
    check_url,
    new_session,
    open_answer,
)
from pix2z.archive.partial_file import Partial, open_partial, partial_path, what_is_kept
from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.files import destination, read_json, write_json

__all__ = ["PATIENCE", "Provenance", "Report", "download"]

DISK_MARGIN = 2**28
"""Bytes of the disk left free, for everything else that writes to it."""

CHUNK = 2**17


class _Patience(Retry):
    """Waits before each new attempt, where urllib3 makes the first one at once."""

    def get_backoff_time(self) -> float:
        return max(super().get_backoff_time(), self.backoff_factor)


PATIENCE = _Patience(
    total=7, backoff_factor=1.0, backoff_max=60, backoff_jitter=1.0, retry_after_max=300
)
"""Requests in a row that bring nothing new before giving up: 8, over about two minutes."""

AS_IT_IS = "it is left as it is (--force fetches it again)"

logger = logging.getLogger(__name__)


Report = Callable[[str, int, int | None], None]
"""What to call with what is being done, how much is, and of how much: None where nobody knows."""


@dataclass(frozen=True)
class Provenance:
    """Where a file is from. fetched : UTC, ISO 8601."""

    url: str
    sha256: str
    bytes: int
    etag: str | None
    last_modified: str | None
    fetched: str


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    signature: bytes = b"",
    session: requests.Session | None = None,
    patience: Retry = PATIENCE,
    progress: Report = lambda *_: None,
    force: bool = False,
) -> Provenance:
    """Fetch `url` into `path`, going on from what an earlier call left; return its record.

    A file that is there already is verified against its record, without any request.

    Parameters
    ----------
    sha256 : digest that the file must have, hexadecimal.
    signature : bytes that the file must begin with; an error page sent as a file is refused by it.
    session : shared between many files; made and closed here where None.
    patience : how often, and after which waits, to try again while nothing new comes.
    progress : called after every few bytes: "receiving" or "checking", bytes done, bytes in all.
    force : fetch a file that is there already again, and replace it.

    Raises
    ------
    InputError
        The URL leads to no such file; `path` cannot be written or holds something else.
    IntegrityError
        The file has not the digest expected, or no longer the one recorded.
    Pix2zError
        No bytes any more in spite of waiting; a disk that is full; another process at it.
    """
    check_url(url)
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise InputError(f"sha256: expected 64 hexadecimal digits; received {sha256!r}")
    path, sha256 = destination(path), sha256 and sha256.lower()
    try:
        if path.exists() and not force:
            return _verified(path, url=url, sha256=sha256, report=progress)
        with (
            nullcontext(session) if session else new_session() as http,
            open_partial(path, url) as partial,
        ):
            # Again, since another process may have held the lock until it was done.
            if path.exists() and not force:
                return _verified(path, url=url, sha256=sha256, report=progress)
            _receive_all(partial, http, url, signature, patience, progress)
            return _publish(partial, url=url, sha256=sha256, report=progress)
    except OSError as error:
        raise Pix2zError(f"{path}: {error.strerror or error}; {what_is_kept(path)}") from error


def _receive_all(
    partial: Partial,
    session: requests.Session,
    url: str,
    signature: bytes,
    patience: Retry,
    report: Report,
) -> None:
    """Ask again and again until `partial` is whole, or nothing new has come for too long.

    New are bytes beyond the furthest that was ever reached: a server that begins anew each time
    and breaks off at the same place makes no progress.
    """
    furthest, retry = partial.size, patience
    while not partial.whole:
        try:
            answering = open_answer(session, url, start=partial.size, version=partial.version)
            with answering as answer:
                _receive(partial, answer, signature, report)
        except Interrupted as trouble:
            if partial.size > furthest:
                furthest, retry = partial.size, patience
            else:
                retry = _one_less(retry, trouble, partial, url)
            logger.info("%s at byte %d: trying again", trouble, partial.size)
            _wait(retry, trouble)


def _receive(partial: Partial, answer: Answer, signature: bytes, report: Report) -> None:
    """Append what one answer brings."""
    url, total, chunks = answer.version.url, answer.version.total, answer.chunks
    _check_space(partial, total)
    if answer.start == 0:
        # Before anything is dropped: what is here is worth more than an error page.
        begin = _beginning(answer, signature)
        partial.restart(answer.version)
        chunks = chain([begin], chunks)
    report("receiving", partial.size, total)
    for chunk in chunks:
        partial.append(chunk)
        report("receiving", partial.size, total)
    if total is None:
        logger.warning("%s: of unknown size; only its digest could tell it is whole", url)
        partial.version = replace(answer.version, total=partial.size)
    elif partial.size > total:
        partial.discard()
        raise Pix2zError(f"{url}: the server sent more than the {total} bytes it told of")
    elif partial.size < total:
        raise Interrupted("the server sent less than the rest")


def _beginning(answer: Answer, signature: bytes) -> bytes:
    """Read as many bytes as the signature has, or some more, and compare."""
    begin = b""
    while len(begin) < len(signature) and (chunk := next(answer.chunks, b"")):
        begin += chunk
    if not begin.startswith(signature):
        raise InputError(
            f"{answer.version.url}: what the server sends begins with {begin[:16]!r}; expected "
            f"{signature!r}"
        )
    return begin


def _check_space(partial: Partial, total: int | None) -> None:
    """Raise Pix2zError where the rest of a file of `total` bytes finds no room."""
    if total is None:
        return
    missing = max(0, total - partial.size_on_disk) + DISK_MARGIN
    free = shutil.disk_usage(partial.path.parent).free
    if free < missing:
        raise Pix2zError(
            f"{partial.path}: {missing / 1e9:.2f} GB of free disk space are needed, "
            f"{free / 1e9:.2f} GB are there; {what_is_kept(partial.path)}"
        )


def _one_less(retry: Retry, trouble: Interrupted, partial: Partial, url: str) -> Retry:
    """Return the attempts that are left; raise Pix2zError where none is."""
    try:
        return retry.increment("GET", url, error=trouble)
    except MaxRetryError as error:
        raise Pix2zError(
            f"{url}: gave up after {len(retry.history) + 1} attempts without progress, the last: "
            f"{trouble}; {what_is_kept(partial.path)}"
        ) from error


def _wait(retry: Retry, trouble: Interrupted) -> None:
    """Wait as long as the server asks, else longer with each attempt."""
    try:
        retry.sleep(trouble.response)
    except HTTPError:  # a Retry-After that is neither seconds nor a date
        retry.sleep()


def _publish(partial: Partial, *, url: str, sha256: str | None, report: Report) -> Provenance:
    """Verify a whole file, record where it is from, and give it its name."""
    path, version = partial.path, partial.version
    digest = _digest(partial_path(path), report)
    if sha256 not in (None, digest):
        partial.discard()
        raise IntegrityError(
            f"{url}: has SHA-256 {digest}, expected {sha256}; what was received is removed"
        )
    record = Provenance(
        url=url,
        sha256=digest,
        bytes=partial.size,
        etag=version.etag if version else None,
        last_modified=version.last_modified if version else None,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    # The record first: a file that has its name then always has one.
    write_json(_provenance_path(path), asdict(record))
    partial.publish()
    return record


def _provenance_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.provenance.json")


def _verified(path: Path, *, url: str, sha256: str | None, report: Report) -> Provenance:
    """Return the record of a file that is there and matches it.

    url, sha256 : what the file is looked for as; with the digest given, another URL is no matter.

    Raises InputError where something else has that name: no file, one without a record, one of
    another URL. Raises IntegrityError where it matches its record no longer, or not `sha256`.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a file or nothing")
    place = _provenance_path(path)
    if not place.exists():
        raise InputError(f"{path}: is there, but no {place.name} says from where; {AS_IT_IS}")
    try:
        record = Provenance(**read_json(place))
    except TypeError as error:
        raise InputError(f"{place}: expected the record of a download ({error})") from error
    if sha256 not in (None, record.sha256):
        raise IntegrityError(f"{path}: has SHA-256 {record.sha256}, expected {sha256}; {AS_IT_IS}")
    if sha256 is None and record.url != url:
        raise InputError(f"{path}: is from {record.url}, not from {url}; {AS_IT_IS}")
    digest = _digest(path, report)
    if digest != record.sha256:
        raise IntegrityError(
            f"{path}: has SHA-256 {digest}, its record {record.sha256}; {AS_IT_IS}"
        )
    return record


def _digest(path: Path, report: Report) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            report("checking", file.tell(), size)
    return digest.hexdigest()
