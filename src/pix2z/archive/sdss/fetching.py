"""Many small files of one server at a time: a few threads, each with a session of its own.

What `download` does for one file holds for each of them. A server that gives nothing any more is
not asked for every one of the rest.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

import requests

from pix2z.archive.download import Progress, Provenance, RetryPolicy, download
from pix2z.archive.transfer.transport import new_session
from pix2z.errors import InputError, IntegrityError, Pix2zError

__all__ = ["MOST_JOBS", "POLICY", "Fetched", "ServerError", "Wanted", "fetching"]

MOST_JOBS = 8
"""Requests at a time, at most: the server is for everyone."""

POLICY = RetryPolicy(attempts=5)
"""About ten seconds of waiting for a file that does not come; many others wait behind it."""

MOST_IN_A_ROW = 8
"""Files given up one after the other before nothing more is asked for."""


class ServerError(Pix2zError):
    """The server gives nothing any more, so that no further file is asked for."""


class _Stopped(Exception):
    """Whoever wanted the files is gone."""


@dataclass(frozen=True)
class Wanted:
    """A file: its address, its place on disk, and the bytes it must begin with."""

    url: str
    path: Path
    signature: bytes


@dataclass(frozen=True)
class Fetched:
    """A file that is there, verified."""

    path: Path
    sha256: str


@dataclass
class _State:
    """What the threads share; `lock` guards the count of files given up in a row."""

    policy: RetryPolicy
    force: bool
    received: Callable[[int], None]
    ended: Callable[[], None]
    stop: threading.Event
    lock: threading.Lock = field(default_factory=threading.Lock)
    given_up: int = 0


Submit = Callable[[Wanted], "Future[Fetched]"]

_Task = tuple["Future[Fetched]", Wanted]


@contextmanager
def fetching(
    *,
    jobs: int,
    policy: RetryPolicy = POLICY,
    force: bool = False,
    received: Callable[[int], None] = lambda _: None,
    ended: Callable[[], None] = lambda: None,
) -> Iterator[Submit]:
    """Yield a function that takes a wanted file and gives a future of it.

    At the end, also by an error or Ctrl-C, what has arrived stays on disk, and nothing more is
    asked for. The threads are daemons: none keeps the process waiting for a silent server.

    Parameters
    ----------
    jobs : files at a time.
    force : fetch what is there already again.
    received : called with the number of bytes that have just come, from any thread.
    ended : called when a file is there or has failed, before its future says so.
    """
    if not 1 <= jobs <= MOST_JOBS:
        raise InputError(f"--jobs: expected 1 to {MOST_JOBS}; received {jobs}")
    tasks: SimpleQueue[_Task | None] = SimpleQueue()
    stop = threading.Event()
    state = _State(replace(policy, sleep=_sleeping(stop)), force, received, ended, stop)
    threads = [
        threading.Thread(target=_work, args=(tasks, state), daemon=True) for _ in range(jobs)
    ]
    for thread in threads:
        thread.start()

    def submit(wanted: Wanted) -> "Future[Fetched]":
        future: Future[Fetched] = Future()
        tasks.put((future, wanted))
        return future

    try:
        yield submit
    finally:
        stop.set()
        for _ in range(jobs):
            tasks.put(None)
    for thread in threads:
        thread.join()


def _sleeping(stop: threading.Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise _Stopped

    return sleep


def _work(tasks: "SimpleQueue[_Task | None]", state: _State) -> None:
    with new_session() as session:
        while (task := tasks.get()) is not None:
            future, wanted = task
            try:
                future.set_result(_told(session, wanted, state))
            except BaseException as error:
                future.set_exception(error)


def _told(session: requests.Session, wanted: Wanted, state: _State) -> Fetched:
    try:
        return _fetch(session, wanted, state)
    finally:
        state.ended()


def _fetch(session: requests.Session, wanted: Wanted, state: _State) -> Fetched:
    if state.stop.is_set():
        raise _Stopped
    with state.lock:
        if state.given_up >= MOST_IN_A_ROW:
            raise ServerError(f"{wanted.url}: not asked for any more")
    try:
        record = _download(session, wanted, state)
    except InputError:
        _count(state, given_up=False)  # an answer, if a bad one
        raise
    except Pix2zError as error:
        if _count(state, given_up=True) >= MOST_IN_A_ROW:
            raise ServerError(f"{MOST_IN_A_ROW} files in a row did not come: {error}") from error
        raise
    _count(state, given_up=False)
    return Fetched(wanted.path, record.sha256)


def _count(state: _State, *, given_up: bool) -> int:
    with state.lock:
        state.given_up = state.given_up + 1 if given_up else 0
        return state.given_up


def _download(session: requests.Session, wanted: Wanted, state: _State) -> Provenance:
    before: int | None = None

    def progress(now: Progress) -> None:
        nonlocal before
        if state.stop.is_set():
            raise _Stopped
        if now.stage == "receiving":
            if before is not None and now.done > before:
                state.received(now.done - before)
            before = now.done

    def fetch(*, again: bool) -> Provenance:
        return download(
            wanted.url,
            wanted.path,
            signature=wanted.signature,
            session=session,
            policy=state.policy,
            progress=progress,
            force=again,
        )

    try:
        return fetch(again=state.force)
    except IntegrityError:
        return fetch(again=True)  # it was altered since; a cache is there to be filled again
