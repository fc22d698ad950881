"""One registration at a time in a store: two at once would make runs and versions twice.

In a SQLite file or PostgreSQL the lock goes with its holder, even a killed one. Behind a server it
is a registered model without versions: creating one is atomic there.
"""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from pix2z.tracking.store import POSTGRES, SQLITE, Store
from pix2z.tracking.store_lock import file_locked, postgres_locked

__all__ = ["LOCK", "PATIENCE", "model_locked", "registering"]

LOG = logging.getLogger(__name__)

LOCK = "pix2z-registration-lock"
PATIENCE = 300.0
"""Seconds after which a lock is taken for left behind: a registration takes seconds."""

_PAUSE = 1.0
_POSTGRES_KEY = int.from_bytes(b"pix2z r")
_DESCRIPTION = (
    "Not a model: it exists while somebody registers, for seconds, and lets others wait. One that "
    "a killed process left is taken over after five minutes, on the same machine at once."
)


def registering(store: Store) -> AbstractContextManager[None]:
    """Wait until nobody else registers in this store, and keep others waiting within the block."""
    if store.uri.startswith(SQLITE):
        return file_locked(Path(f"{store.uri.removeprefix(SQLITE)}.register.lock"))
    if store.uri.startswith(POSTGRES):
        return postgres_locked(store.uri, key=_POSTGRES_KEY)
    return model_locked(store.client)


@contextmanager
def model_locked(client: MlflowClient, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock behind a server.

    Parameters
    ----------
    patience : seconds to wait for one holder before its lock is taken over.
    """
    token = uuid4().hex
    _acquire(client, token, patience=patience)
    try:
        yield
    finally:
        try:
            _release(client, token)
        except MlflowException as error:  # must not hide what came before
            LOG.warning("the lock %s could not be removed: %s", LOCK, str(error).splitlines()[0])


def _acquire(client: MlflowClient, token: str, *, patience: float) -> None:
    tags = {"host": socket.gethostname(), "pid": str(os.getpid()), "token": token}
    seen, since = "", time.monotonic()
    while not _create(client, tags):
        held = _holder(client)
        if held is None:
            continue  # released meanwhile
        theirs = held.tags.get("token", "")
        if theirs != seen:
            seen, since = theirs, time.monotonic()
            LOG.info("waiting while %s registers in this store", _owner(held))
        if _is_dead(held) or time.monotonic() - since > patience:
            LOG.warning("taking over the lock that %s left", _owner(held))
            _release(client, theirs)
        else:
            time.sleep(_PAUSE)


def _create(client: MlflowClient, tags: dict[str, str]) -> bool:
    try:
        client.create_registered_model(LOCK, tags, _DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def _holder(client: MlflowClient) -> RegisteredModel | None:
    try:
        return client.get_registered_model(LOCK)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _release(client: MlflowClient, token: str) -> None:
    """Delete the lock if it is still that of `token`."""
    held = _holder(client)
    if held is None or held.tags.get("token", "") != token:
        return
    try:
        client.delete_registered_model(LOCK)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _is_dead(held: RegisteredModel) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    pid = held.tags.get("pid", "")
    if held.tags.get("host") != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it runs, and is somebody else's
        return False
    return False


def _owner(held: RegisteredModel) -> str:
    return f"process {held.tags.get('pid', '?')} on {held.tags.get('host', '?')}"
