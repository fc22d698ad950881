"""One promotion writes at a time, in whatever store: the lock is a registered model.

Creating a registered model is atomic in every store of MLflow, also behind a server. The lock is
held for seconds, while aliases are moved, never while versions are measured.
"""

import getpass
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from pix2z.errors import RefusedError
from pix2z.tracking.promotion.versions import LOCK

__all__ = ["MAX_AGE", "promotion_lock", "who"]

LOG = logging.getLogger(__name__)

MAX_AGE = 15 * 60
"""Seconds after which a lock is taken for left behind by a kill."""

_DESCRIPTION = (
    "Not a model: it exists while somebody promotes or rolls back, and keeps others from doing so "
    "at the same time. One that a killed process left is taken over after 15 minutes, or at once "
    "with --break-lock."
)


@contextmanager
def promotion_lock(
    client: MlflowClient, *, break_lock: bool = False, clock: Callable[[], float] = time.time
) -> Iterator[Callable[[], None]]:
    """Hold the lock; yield what raises RefusedError where somebody took it over meanwhile.

    Parameters
    ----------
    break_lock : take over a lock of any age.

    Raises
    ------
    RefusedError
        Somebody else holds it; the message says who, and since when.
    """
    token = uuid4().hex
    _acquire(client, token, break_lock=break_lock, clock=clock)

    def still_held() -> None:
        held = _holder(client)
        if held is None or held.tags.get("token") != token:
            raise RefusedError(f"the lock was taken over by {_owner(held)}; nothing was promoted")

    try:
        still_held()  # two that took over a stale lock at once: one of them sees the other's here
        yield still_held
    finally:
        _release(client, token)


def who() -> str:
    """Return the user's name, as far as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"uid {os.getuid()}"


def _acquire(
    client: MlflowClient, token: str, *, break_lock: bool, clock: Callable[[], float]
) -> None:
    taken_at = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    tags = {"by": who(), "host": socket.gethostname(), "pid": str(os.getpid())}
    tags |= {"taken_at": taken_at, "token": token}
    if _create(client, tags):
        return
    held = _holder(client)
    if held is not None:
        age = clock() - held.creation_timestamp / 1000
        if not break_lock and age < MAX_AGE:
            raise RefusedError(
                f"another promotion is under way ({_owner(held)}); if it was killed, its lock can "
                f"be taken over in {max(MAX_AGE - age, 60) / 60:.0f} min, or now with --break-lock"
            )
        LOG.warning("taking over the lock that %s left", _owner(held))
        _delete(client)
    if not _create(client, tags):
        raise RefusedError(f"another promotion took the lock first ({_owner(_holder(client))})")


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


def _delete(client: MlflowClient) -> None:
    try:
        client.delete_registered_model(LOCK)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _release(client: MlflowClient, token: str) -> None:
    """Delete the lock if it is still ours; a failure here must not hide what came before."""
    try:
        held = _holder(client)
        if held is not None and held.tags.get("token") == token:
            _delete(client)
    except MlflowException as error:
        LOG.warning("the lock %s could not be removed: %s", LOCK, str(error).splitlines()[0])


def _owner(held: RegisteredModel | None) -> str:
    if held is None:
        return "somebody else"
    tags = held.tags
    by, host, pid, at = (tags.get(key, "?") for key in ("by", "host", "pid", "taken_at"))
    return f"{by} on {host}, process {pid}, since {at}"
