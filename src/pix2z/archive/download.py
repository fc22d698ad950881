"""Downloads that can be interrupted anywhere: resumed, verified, recorded, atomic.

`download` appends to a hidden partial beside the file, over as many requests, processes and days
as it takes. The file gets its name when it is whole and verified; ``<name>.provenance.json``, then
beside it, says where it is from. Nothing that the server sends decides where anything is written.
"""

import logging
import random
import shutil
import string
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Literal

import requests

from pix2z.archive.transfer.partial_file import (
    Partial,
    discard,
    open_partial,
    partial_path,
    what_is_kept,
)
from pix2z.archive.transfer.provenance import Provenance, finished, write_provenance
from pix2z.archive.transfer.ranged import Answer, open_answer
from pix2z.archive.transfer.transport import Interrupted, check_url, new_session
from pix2z.errors import InputError, IntegrityError, Pix2zError

__all__ = ["Progress", "Provenance", "RetryPolicy", "download"]

MARGIN = 2**28
"""Bytes of the disk left free, for everything else that writes to it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a file is, in bytes; total is None where the server does not say."""

    stage: Literal["checking", "receiving"]
    done: int
    total: int | None


@dataclass(frozen=True)
class RetryPolicy:
    """When to try again, and when to give up; times in seconds.

    attempts : requests in a row that bring no byte that was not here before.
    longest_retry_after : cap on what a server may ask for.
    rng : where the jitter comes from, so that many clients do not come back at once.
    """

    attempts: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 300.0
    connect_timeout: float = 20.0
    read_timeout: float = 60.0
    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds before the next request: doubled with each failure after one, times 0.5 to 1.

        A shorter wait than the server asks for is lengthened to that, up to the cap.
        """
        # 60 doublings are beyond any cap, and within what a float holds.
        doublings = min(max(failures - 1, 0), 60)
        backoff = min(self.longest_wait, self.first_wait * 2.0**doublings)
        asked = min(self.longest_retry_after, retry_after or 0.0)
        return max(asked, backoff * self.rng.uniform(0.5, 1.0))


Report = Callable[[Progress], None]


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    signature: bytes | None = None,
    session: requests.Session | None = None,
    policy: RetryPolicy | None = None,
    progress: Report | None = None,
    force: bool = False,
) -> Provenance:
    """Fetch `url` into `path`, going on from what an earlier call left; return its record.

    A file that is there already is verified against its record, without any request.

    Parameters
    ----------
    sha256 : digest that the file must have, hexadecimal.
    signature : bytes that the file must begin with; an error page sent as a file is refused by it.
    session : shared between many files; made and closed here where None.
    policy : None: `RetryPolicy()`.
    progress : called after every few bytes.
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
    path, sha256 = Path(path), _checked_digest(sha256)
    report, policy = progress or _say_nothing, policy or RetryPolicy()

    def checking(done: int, total: int) -> None:
        report(Progress("checking", done, total))

    try:
        if not force and (record := finished(path, url=url, sha256=sha256, report=checking)):
            return record
        with (
            nullcontext(session) if session is not None else new_session() as http,
            open_partial(path, url=url, report=checking) as partial,
        ):
            # Again, since another process may have held the lock until it was done.
            if not force and (record := finished(path, url=url, sha256=sha256, report=checking)):
                return record
            _fetch(http, url, partial, signature=signature, policy=policy, report=report)
            return _finish(partial, url=url, sha256=sha256, signature=signature)
    except OSError as error:
        raise Pix2zError(f"{path}: {error.strerror or error}; {what_is_kept(path)}") from error


def _checked_digest(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    if len(sha256) != 64 or not set(sha256) <= set(string.hexdigits):
        raise InputError(f"sha256: expected 64 hexadecimal digits; received {sha256!r}")
    return sha256.lower()


def _fetch(
    session: requests.Session,
    url: str,
    partial: Partial,
    *,
    signature: bytes | None,
    policy: RetryPolicy,
    report: Report,
) -> None:
    """Ask again and again until `partial` is whole, or nothing new has come for too long.

    New are bytes beyond the furthest that was ever reached: a server that begins anew each time
    and breaks off at the same place makes no progress.
    """
    furthest, failures = partial.size, 0
    while not partial.whole:
        try:
            _receive(session, url, partial, signature=signature, policy=policy, report=report)
            if partial.remote is not None and partial.remote.total is None:
                logger.warning("%s: of unknown size; only its digest could tell it is whole", url)
                return
            if not partial.whole:
                raise Interrupted("the server sent less than the rest")
        except Interrupted as trouble:
            failures = 0 if partial.size > furthest else failures + 1
            furthest = max(furthest, partial.size)
            if failures >= policy.attempts:
                raise Pix2zError(
                    f"{url}: gave up after {failures} attempts without progress, the last: "
                    f"{trouble}; {what_is_kept(partial.path)}"
                ) from trouble
            wait = policy.wait(failures, trouble.retry_after)
            logger.info(
                "%s at byte %d: trying again in %.0f s (%d of %d attempts without progress)",
                trouble,
                partial.size,
                wait,
                failures,
                policy.attempts,
            )
            policy.sleep(wait)


def _receive(
    session: requests.Session,
    url: str,
    partial: Partial,
    *,
    signature: bytes | None,
    policy: RetryPolicy,
    report: Report,
) -> None:
    """Make one request for what is missing, and append what it brings."""
    known = partial.remote is not None and partial.remote.total is not None
    start = partial.size if known else 0
    timeout = (policy.connect_timeout, policy.read_timeout)
    with open_answer(session, url, start=start, expected=partial.remote, timeout=timeout) as answer:
        total = answer.remote.total
        _check_space(partial, total)
        chunks = answer.chunks
        if answer.start == 0:
            # Before anything is dropped: what is here is worth more than an error page.
            begin = _beginning(answer, signature=signature, url=url)
            _restart(partial, answer)
            chunks = chain([begin], chunks)
        report(Progress("receiving", partial.size, total))
        for chunk in chunks:
            partial.append(chunk)
            if total is not None and partial.size > total:
                discard(partial.path)
                raise Pix2zError(f"{url}: the server sent more than the {total} bytes it told of")
            report(Progress("receiving", partial.size, total))


def _beginning(answer: Answer, *, signature: bytes | None, url: str) -> bytes:
    """Read as many bytes as the signature has, or some more, and compare."""
    begin = b""
    while signature and len(begin) < len(signature) and (chunk := next(answer.chunks, b"")):
        begin += chunk
    _check_signature(begin, signature, f"{url}: what the server sends as {answer.content_type}")
    return begin


def _check_signature(begin: bytes, signature: bytes | None, what: str) -> None:
    if signature and not begin.startswith(signature):
        raise InputError(f"{what} begins with {begin[:16]!r}; expected {signature!r}")


def _restart(partial: Partial, answer: Answer) -> None:
    if partial.size:
        same = partial.remote == answer.remote
        reason = "the server does not send the rest alone" if same else "the file is another now"
        logger.info("%s: beginning anew at byte 0", reason)
    partial.restart(answer.remote)


def _check_space(partial: Partial, total: int | None) -> None:
    """Raise Pix2zError where the rest of a file of `total` bytes finds no room."""
    if total is None:
        return
    missing = max(0, total - partial.size_on_disk()) + MARGIN
    free = shutil.disk_usage(partial.path.parent).free
    if free < missing:
        raise Pix2zError(
            f"{partial.path}: {missing / 1e9:.2f} GB of free disk space are needed, "
            f"{free / 1e9:.2f} GB are there; {what_is_kept(partial.path)}"
        )


def _finish(
    partial: Partial, *, url: str, sha256: str | None, signature: bytes | None
) -> Provenance:
    """Verify a whole file, record where it is from, and give it its name."""
    path, remote, found = partial.path, partial.remote, partial.digest.hexdigest()
    try:
        # Once more, since an earlier call may have taken the beginning without a signature.
        with partial_path(path).open("rb") as file:
            begin = file.read(max(16, len(signature or b"")))
        _check_signature(begin, signature, f"{url}: what was received")
        if sha256 not in (None, found):
            raise IntegrityError(
                f"{url}: has SHA-256 {found}, expected {sha256}; what was received is removed"
            )
    except Pix2zError:
        discard(path)
        raise
    record = Provenance(
        url=url,
        sha256=found,
        bytes=partial.size,
        etag=remote.etag if remote else None,
        last_modified=remote.last_modified if remote else None,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    # The record first: a file that has its name then always has one.
    write_provenance(path, record)
    partial.publish()
    return record


def _say_nothing(_: Progress) -> None:
    """Stand in where nobody asked for progress."""
