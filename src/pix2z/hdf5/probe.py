"""The process that looks at HDF5 files before they are read: see `looking`. It imports h5py only.

A question is a line of JSON, [path] or [path, object, attribute]; so is the answer: null where all
of the file could be looked at, else the attribute's text, or {"raised": what reading it raised}.
"""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import h5py

LOOKING_SECONDS = 2.0
"""Spent on the objects of one file at most; each takes about 0.1 ms."""

MOST_MEMORY = 2 << 30
"""Bytes; a damaged length asks for 4 GiB, which fails at once instead of being filled."""


def main(seconds: float) -> None:
    """Answer questions until there are no more; die of SIGALRM where one takes longer."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system limits it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.RLIM_INFINITY))
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # ends the process even within a call of HDF5
    for line in sys.stdin:
        question = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer = _look(*question) if len(question) == 1 else _text(*question)
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _look(path: str) -> Any:
    """Open all that is in a file; whatever is raised, its reader will meet and tell."""
    until = time.monotonic() + LOOKING_SECONDS
    with contextlib.suppress(Exception), h5py.File(path, "r") as file:
        for _ in _objects(file, seen=set()):
            if time.monotonic() > until:
                break
    return None


def _objects(group: h5py.Group, *, seen: set[int]) -> Iterator[h5py.HLObject]:
    """Yield a group and all that can be opened in it, once each; links are not followed."""
    yield group
    for name in _names(group):
        with contextlib.suppress(Exception):
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            address = h5py.h5o.get_info(group.id, _encoded(name)).addr
            if address in seen:
                continue
            seen.add(address)
            thing = group[name]
            if isinstance(thing, h5py.Group):
                yield from _objects(thing, seen=seen)
            else:
                yield thing


def _names(group: h5py.Group) -> Iterator[str | bytes]:
    """Yield names up to the first that cannot be read; those that are no UTF-8 are bytes."""
    with contextlib.suppress(Exception):
        yield from group


def _encoded(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()


def _text(path: str, place: str, name: str) -> Any:
    try:
        with h5py.File(path, "r") as file:
            value = file[place].attrs[name]
        while hasattr(value, "reshape"):
            value = value.reshape(-1)[0]
        return value if isinstance(value, str) else value.decode(errors="replace")
    except Exception as error:
        return {"raised": str(error) or type(error).__name__}


if __name__ == "__main__":
    main(float(sys.argv[1]))
