"""A store that is there already, for commands that use what it holds and make nothing."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.store import EXPERIMENTS, Store, tracking_uri
from pix2z.tracking.store_lock import connected
from pix2z.tracking.store_uri import shown_uri

__all__ = ["existing_store", "shown_uri", "with_experiments"]

_SQLITE, _SERVERS = "sqlite:///", ("http://", "https://", "databricks")


@contextmanager
def existing_store() -> Iterator[Store]:
    """Open the store as `open_store` finds it; experiments are not looked up.

    Raises
    ------
    InputError
        The SQLite file is missing: nothing was registered here.
    Pix2zError
        The store cannot be read or written, now or within the block.
    """
    os.environ.pop("MLFLOW_RUN_ID", None)
    uri = tracking_uri()
    if uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).is_file():
        raise InputError(
            f"{uri.removeprefix(_SQLITE)}: no such store of MLflow; run `make repro`, or set "
            "MLFLOW_TRACKING_URI"
        )
    if not uri.startswith((_SQLITE, *_SERVERS)):
        connected(uri).close()  # MLflow itself would try for minutes, and warn each time
    try:
        yield Store(MlflowClient(uri), uri, {})
    except (MlflowException, SQLAlchemyError) as error:
        raise Pix2zError(f"MLflow's store {shown_uri(uri)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Say what went wrong in one line; of a server that does not answer, what the system says."""
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
    if found and "Max retries exceeded" in str(error):
        return f"cannot be reached ({found[1]})"
    return (str(error).splitlines() or [type(error).__name__])[0]


def with_experiments(store: Store) -> Store:
    """Return the store with the ids of those experiments that it has."""
    found = store.client.search_experiments()
    return replace(
        store, experiments={e.name: e.experiment_id for e in found if e.name in EXPERIMENTS}
    )
