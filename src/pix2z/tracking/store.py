"""The tracking store and registry of MLflow: where it is, how it is made, and who may write.

`MLFLOW_TRACKING_URI` names it; without, it is mlflow.db in the root of the repository. Stages open
it with `open_store`, which makes what is missing; commands that use what is registered open it with
`existing_store`, which makes nothing. Whoever writes versions or aliases does so within `locked`.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pix2z.errors import InputError, Pix2zError
from pix2z.files import as_text, atomic_path, cache_folder, text_digest
from pix2z.tracking.checkout import repository_root
from pix2z.tracking.experiments import EXPERIMENTS, ensure_experiments

__all__ = [
    "Store",
    "create_database",
    "default_store",
    "existing_store",
    "locked",
    "open_store",
    "reason",
    "shown_uri",
    "tracking_uri",
]

LOG = logging.getLogger(__name__)

_SQLITE, _POSTGRES, _SERVERS = "sqlite:///", "postgresql", ("http://", "https://", "databricks")
"""How the URI of such a store begins."""

_AT_RANDOM = re.compile(r"[a-z]+-[a-z]+-\d+")
"""Names that MLflow makes up for runs without one."""


@dataclass(frozen=True)
class Store:
    """An open tracking store and registry."""

    client: MlflowClient
    uri: str
    experiments: Mapping[str, str]
    """Name of an experiment of `EXPERIMENTS` -> its id."""

    @property
    def is_shared(self) -> bool:
        """Whether other machines may write to it too: it is no SQLite file."""
        return not self.uri.startswith(_SQLITE)


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, else the SQLite file in the root of the repository.

    Raises
    ------
    InputError
        It is no text, as databases want it: bytes of a folder's name are no UTF-8.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{repository_root() / 'mlflow.db'}"
    if uri != as_text(uri):
        raise InputError(f"{as_text(uri)}: MLflow's store cannot be where a name is no UTF-8")
    return uri


def shown_uri(uri: str) -> str:
    """Return the URI of a store without the password that it may hold."""
    if uri.startswith(_SQLITE) or "://" not in uri:
        return uri
    try:
        return make_url(uri).difference_update_query(["password"]).render_as_string()
    except (ValueError, ArgumentError):  # a port that is no number, a scheme that is no word
        return f"{uri.partition('://')[0]}://{uri.rpartition('@')[2].partition('?')[0]}"


def open_store() -> Store:
    """Open the store; create it and the experiments where they are missing.

    Any number of processes on one machine may do so at once. A kill while a SQLite file is made
    leaves none behind.

    Raises
    ------
    InputError
        The store is a copy, and would write into the original.
    Pix2zError
        The database cannot be reached.
    """
    uri = tracking_uri()
    if uri.startswith(_SQLITE):
        _make_sqlite(uri)
    else:
        _check_reachable(uri)
    client = _client(uri)
    known = client.search_experiments(view_type=ViewType.ALL)
    _refuse_copy(uri, known)
    ids = ensure_experiments(client, known, artifacts_of=partial(_artifact_location, uri))
    return Store(client, uri, ids)


@contextmanager
def existing_store() -> Iterator[Store]:
    """Open the store that `open_store` would open, but make nothing.

    Raises
    ------
    InputError
        The SQLite file is missing: nothing was registered here.
    Pix2zError
        The store cannot be read or written, now or within the block.
    """
    uri = tracking_uri()
    if uri.startswith(_SQLITE) and not _sqlite_file(uri).is_file():
        raise InputError(
            f"{_sqlite_file(uri)}: no such store of MLflow; run `dvc repro`, or set "
            "MLFLOW_TRACKING_URI"
        )
    _check_reachable(uri)
    try:
        client = _client(uri)
        known = client.search_experiments()
        ids = {e.name: e.experiment_id for e in known if e.name in EXPERIMENTS}
        yield Store(client, uri, ids)
    except (MlflowException, SQLAlchemyError) as error:
        raise Pix2zError(f"MLflow's store {shown_uri(uri)}: {reason(error)}") from error


def _client(uri: str) -> MlflowClient:
    """Return a client of a store, and name the run that `mlflow run` made there for this command.

    It is none of ours, which are made without it, and MLflow gave it a name at random.
    """
    client, run_id = MlflowClient(uri), os.environ.pop("MLFLOW_RUN_ID", None)
    if run_id is None:
        return client
    with suppress(MlflowException):  # it is in another store
        run = client.get_run(run_id)
        entry_point = run.data.tags.get("mlflow.project.entryPoint")
        if entry_point and _AT_RANDOM.fullmatch(run.info.run_name):
            note = "What it did is in the experiments pix2z-…; `pix2z history` lists promotions."
            client.update_run(run_id, name=f"mlflow run -e {entry_point}")
            client.set_tag(run_id, "mlflow.note.content", note)
    return client


def reason(error: Exception) -> str:
    """Say what went wrong in one line; of a server that does not answer, what the system says."""
    refused = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
    if refused and "Max retries exceeded" in str(error):
        return f"cannot be reached ({refused[1]})"
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def locked(store: Store | str, purpose: str) -> Iterator[None]:
    """Let one process of this machine at a time write versions and aliases to a store.

    The lock is a file beside a SQLite store, else one in the user's folder of caches; it goes with
    its holder, even a killed one.

    Parameters
    ----------
    store : an open store, or its URI.
    purpose : what the caller wants to do, in words, said while it has to wait.

    Raises
    ------
    InputError
        An open store is a copy, and would write into the original.
    """
    uri = store if isinstance(store, str) else store.uri
    if isinstance(store, Store) and not store.is_shared:
        _refuse_copy(uri, store.client.search_experiments(view_type=ViewType.ALL))
    path = _lock_file(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        LOG.info("waiting to %s until another process leaves %s", purpose, shown_uri(uri))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def default_store(uri: str) -> Iterator[None]:
    """Make a store MLflow's default within the block: there it looks up the model of a version."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        yield
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def create_database(database: Path) -> None:
    """Create the SQLite file of an empty store, whole or not at all."""
    with atomic_path(database) as partial:
        MlflowClient(f"{_SQLITE}{partial}").search_experiments()


def _sqlite_file(uri: str) -> Path:
    return Path(uri.removeprefix(_SQLITE)).resolve()


def _lock_file(uri: str) -> Path:
    if uri.startswith(_SQLITE):
        database = _sqlite_file(uri)
        return database.with_name(f"{database.name}.lock")
    return cache_folder() / "locks" / f"{text_digest(shown_uri(uri))}.lock"


def _make_sqlite(uri: str) -> None:
    """Create the file once: MLflow itself cannot create one database twice at a time."""
    database = _sqlite_file(uri)
    if database.exists():  # it is renamed to that when it is whole
        return
    with locked(uri, "make the store"):
        if not database.exists():
            create_database(database)


def _check_reachable(uri: str) -> None:
    """Raise in one line where a database does not answer: MLflow itself would try for minutes."""
    if uri.startswith((_SQLITE, *_SERVERS)):
        return
    try:
        sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool).connect().close()
    except ModuleNotFoundError as error:
        how = "; `make postgres` in the checkout installs it" if uri.startswith(_POSTGRES) else ""
        raise InputError(f"{shown_uri(uri)}: needs the package {error.name}{how}") from error
    except ArgumentError as error:
        raise InputError(
            "MLFLOW_TRACKING_URI: expected a store as sqlite:////folder/mlflow.db, http://... or "
            f"postgresql://...; received {shown_uri(uri)!r}"
        ) from error
    except SQLAlchemyError as error:
        raise Pix2zError(f"{shown_uri(uri)}: cannot be reached ({reason(error)})") from error


def _refuse_copy(uri: str, experiments: Sequence[Experiment]) -> None:
    """Raise where a SQLite store keeps artifacts elsewhere: its folder was copied or moved.

    MLflow keeps absolute paths, so a copy would write into the folder of the original.
    """
    if not uri.startswith(_SQLITE):
        return
    database = _sqlite_file(uri)
    ours = (e.artifact_location for e in experiments if e.name in EXPERIMENTS)
    for location in (path.removeprefix("file://") for path in ours):
        is_local = "://" not in location
        if is_local and not Path(location).resolve().is_relative_to(database.parent):
            raise InputError(
                f"{database}: keeps its artifacts in {location}, so it was copied or moved "
                "from there and would write into that folder; rename it, and `dvc repro register` "
                "makes it anew from the files here"
            )


def _artifact_location(uri: str, name: str) -> str | None:
    """Beside a SQLite file, or in the root for another database; a server has a place of its own.

    Never in the current folder, which may be the temporary copy of a queued experiment.
    """
    if uri.startswith(_SQLITE):
        return str(_sqlite_file(uri).with_name("mlruns") / name)
    if uri.startswith(_POSTGRES):
        return str(repository_root() / "mlruns" / name)
    return None
