"""All checks in order, and the mending of what only pix2z can mend."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.doctor import promotions, registry_links, relocation, running_runs
from pix2z.tracking.doctor.data_files import check_data
from pix2z.tracking.doctor.finding import Finding
from pix2z.tracking.doctor.registered_pools import check_pools
from pix2z.tracking.doctor.registry_view import Registry, read_registry
from pix2z.tracking.doctor.saved_files import (
    check_leftovers,
    check_saved_pools,
    check_workspaces,
)
from pix2z.tracking.doctor.store_address import check_address, check_reach, database_of
from pix2z.tracking.doctor.store_file import check_store_file
from pix2z.tracking.doctor.version_artifacts import ARTIFACTS, check_artifacts, restore_artifacts
from pix2z.tracking.existing import with_experiments
from pix2z.tracking.models import FINETUNED
from pix2z.tracking.promotion.versions import LOCK
from pix2z.tracking.registration import register_finetuned
from pix2z.tracking.store import Store, tracking_uri
from pix2z.tracking.store_uri import shown_uri

__all__ = ["examine", "mend"]

Mend = Callable[[Registry, str], str]

_MENDS: Mapping[str, Mend] = {
    ARTIFACTS: restore_artifacts,
    registry_links.ALIAS: registry_links.delete_alias,
    registry_links.LOGGED: registry_links.delete_logged_model,
    registry_links.RUN_OF: registry_links.link_run,
    running_runs.RUN: running_runs.end_run,
    promotions.UNPROMOTED: promotions.delete_version,
}
"""Kind of fault -> what mends one, by the rest of its name."""
_SINGLE: Mapping[str, Mend] = {
    LOCK: promotions.delete_lock,
    promotions.PREVIOUS_ALIAS: promotions.set_previous,
    promotions.EMPTY: promotions.delete_empty,
}
"""Faults of which there is one at most."""


def examine(root: Path) -> list[Finding]:
    """Look at the store, what it holds, the files and DVC's data; nothing is changed.

    Raises
    ------
    Pix2zError
        The store fails while it is read.
    """
    with _one_line():
        found = _examine_store(root)
    return [
        *found,
        *check_saved_pools(root),
        *check_leftovers(root),
        *check_workspaces(root),
        *check_data(root),
    ]


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn what MLflow says of a store that fails into one line."""
    try:
        yield
    except MlflowException as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Pix2zError(f"MLflow's store {shown_uri(tracking_uri())}: {reason}") from error


def _examine_store(root: Path) -> list[Finding]:
    """Look at the store, and at what it holds if it can be opened."""
    found = [*check_address(root), *check_reach()]
    uri = tracking_uri()
    database = database_of(uri)
    if database is not None:
        found += check_store_file(database, root=root)
    if any(finding.is_fault and finding.what not in _READABLE for finding in found):
        what = "the registry was not examined"
        why = "runs and versions could not be looked at; mend the store first, then look again"
        return [*found, Finding(what, shown_uri(uri), why, is_fault=False)]
    client = MlflowClient(uri)
    if database is not None:
        found += relocation.check_place(client, database)
    return found + _examine_registry(_registry(client, root))


_READABLE = frozenset({"the store is not that of this repository"})
"""Faults of the store with which it can be opened."""


def _registry(client: MlflowClient, root: Path) -> Registry:
    return read_registry(with_experiments(Store(client, tracking_uri(), {})), root)


def _examine_registry(registry: Registry) -> list[Finding]:
    now = time.time()
    return [
        *check_pools(registry),
        *check_artifacts(registry),
        *registry_links.check_version_runs(registry),
        *registry_links.check_aliases(registry),
        *registry_links.check_logged_models(registry, now=now),
        *promotions.check_promotions(registry, now=now),
        *running_runs.check_running(registry),
    ]


def mend(root: Path, name: str) -> str:
    """Mend one fault, if it is still there; say what was done.

    Parameters
    ----------
    name : of a finding.

    Raises
    ------
    InputError
        No fault of that name is found now.
    """
    with _one_line():
        return _mend(root, name)


def _mend(root: Path, name: str) -> str:
    findings = _examine_store(root)
    if name not in {finding.name for finding in findings if finding.name}:
        known = sorted({finding.name for finding in findings if finding.name})
        raise InputError(f"{name}: no such fault is found; expected {_listed(known)}")
    uri = tracking_uri()
    client, database = MlflowClient(uri), database_of(uri)
    if name == relocation.ARTIFACT_PATHS and database is not None:
        return relocation.relocate(client, database)
    kind, _, rest = name.partition("/")
    if kind == FINETUNED:
        return f"registered as {register_finetuned(root / name, root=root)}"
    registry = _registry(client, root)
    if name in _SINGLE:
        return _SINGLE[name](registry, name)
    return _MENDS[kind](registry, rest)


def _listed(names: list[str]) -> str:
    return f"one of {', '.join(names)}" if names else "nothing: there is none to mend this way"
