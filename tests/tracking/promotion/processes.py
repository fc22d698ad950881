"""Processes that promote: run as a file, by tests that kill them or set two against each other.

``processes.py kill ACTION DATABASE...``: promotes or rolls back once in each database, killed after
the first kind of write in the first, after the second in the second, and so on; prints how many.
``processes.py race DATABASE MODEL READY GO``: promotes as soon as the file GO is there.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from pix2z.errors import RefusedError
from pix2z.tracking.promotion.gate import Check
from pix2z.tracking.promotion.judgement import Judgement
from pix2z.tracking.promotion.production import promote, rollback
from pix2z.tracking.promotion.proposal import Proposal
from pix2z.tracking.promotion.versions import CHAMPION, find_version, read_versions, with_alias
from pix2z.tracking.store import Store

WRITES = (
    "create_registered_model",  # the lock; `pix2z` itself, the first time, is no other kind
    "copy_model_version",
    "set_model_version_tag",
    "set_registered_model_tag",
    "set_registered_model_alias",
    "delete_registered_model",
)


def opened(database: str | Path) -> Store:
    uri = str(database) if "://" in str(database) else f"sqlite:///{database}"
    return Store(MlflowClient(uri), uri, {})


def proposed(store: Store, model: str) -> Proposal:
    """A proposal that passed, against today's champion."""
    versions = read_versions(store.client)
    check = Check("limits", "CRPS", "0.01", "at most 0.02", True, {"value": 0.01})
    judgement = Judgement((check,), {"crps": 0.01, "mae": 0.02, "pit_ks": 0.03}, 100, compared=True)
    champion = with_alias(versions, CHAMPION)
    return Proposal(find_version(versions, model), champion, judgement=judgement)


def act(store: Store, action: str) -> None:
    if action == "rollback":
        rollback(store, reason="")
    else:
        promote(store, proposed(store, action), reason="")


def kill(action: str, *databases: str) -> None:
    for n, database in enumerate(databases, start=1):
        child = os.fork()  # before any database is open: everything is imported once, not n times
        if child == 0:
            store = opened(database)
            killed_after(store.client, n)
            act(store, action)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            sys.stdout.write(f"{n - 1}\n")  # there is no n-th kind
            sys.exit(os.waitstatus_to_exitcode(status))
    sys.exit("more writes than databases")


def killed_after(client: MlflowClient, n: int) -> None:
    """Let the client kill its process after its n-th kind of write.

    All tags of a version are one kind, killed after the first; each alias is one of its own.
    """
    kinds: list[tuple] = []

    def counting(name: str, write: Callable) -> Callable:
        def call(*arguments, **named):
            found = write(*arguments, **named)
            kind = (name, arguments[1]) if name == "set_registered_model_alias" else (name,)
            if kind not in kinds:
                kinds.append(kind)
                if len(kinds) == n:
                    os.kill(os.getpid(), signal.SIGKILL)
            return found

        return call

    for name in WRITES:
        setattr(client, name, counting(name, getattr(client, name)))


def race(database: str, model: str, ready: str, go: str) -> None:
    store = opened(database)
    proposal = proposed(store, model)
    Path(ready).touch()
    while not Path(go).exists():
        time.sleep(0.001)
    try:
        moved = promote(store, proposal, reason="")
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write(f"{moved.source}\n")


if __name__ == "__main__":
    {"kill": kill, "race": race}[sys.argv[1]](*sys.argv[2:])
