"""Locks in a file and in PostgreSQL, for one process at a time; a killed holder releases them."""

import fcntl
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.store_uri import shown_uri

__all__ = ["MAKING", "connected", "file_locked", "postgres_locked"]

MAKING = int.from_bytes(b"pix2z")
"""Key of the lock in a database while the store is made."""


@contextmanager
def file_locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def postgres_locked(uri: str, *, key: int) -> Iterator[None]:
    """Hold an advisory lock in the database itself, so for all machines.

    Parameters
    ----------
    key : tells this lock from others; positive, below 2**63.

    Raises
    ------
    InputError
        There is no driver for PostgreSQL.
    Pix2zError
        The database cannot be reached.
    """
    # MLflow imports it at the first call, which takes seconds: nobody else shall wait for that.
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
    with connected(uri) as connection:
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": key})
        yield


def connected(uri: str) -> sqlalchemy.Connection:
    """Connect to a database, without a transaction so that a lock can be held for long.

    Raises
    ------
    InputError
        There is no driver for it.
    Pix2zError
        It cannot be reached.
    """
    try:
        engine = sqlalchemy.create_engine(
            uri, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT"
        )
        return engine.connect()
    except ModuleNotFoundError as error:
        raise InputError(
            f"{shown_uri(uri)}: needs {error.name}; `make postgres` installs it"
        ) from error
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        raise Pix2zError(f"{shown_uri(uri)}: cannot be reached ({reason})") from error
