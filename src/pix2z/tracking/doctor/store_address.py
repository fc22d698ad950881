"""Which store is meant, and whether it can be reached."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pix2z.tracking.doctor.finding import Finding
from pix2z.tracking.store import tracking_uri
from pix2z.tracking.store_uri import shown_uri

__all__ = ["check_address", "check_reach", "database_of"]

_SQLITE = "sqlite:///"
_VARIABLE = "MLFLOW_TRACKING_URI"
_UNSET = f"unset {_VARIABLE}"
_SECONDS = 10
"""To wait for a database server."""


def database_of(uri: str) -> Path | None:
    """Return the file of an SQLite store; None for a server."""
    return Path(uri.removeprefix(_SQLITE)).resolve() if uri.startswith(_SQLITE) else None


def check_address(root: Path) -> list[Finding]:
    """Find a store that is not the one of the repository, or that MLflow no longer takes."""
    given = os.environ.get(_VARIABLE)
    own = root / "mlflow.db"
    if not given or database_of(given) == own.resolve():
        return []
    where = f"{_VARIABLE}={shown_uri(given)}"
    if urlsplit(given).scheme in ("", "file"):
        why = "MLflow keeps no runs in folders any more: nothing can be tracked there"
        return [Finding("the store is a folder", where, f"{why}; without it {own} is used", _UNSET)]
    if database_of(given) is not None:
        return [
            Finding(
                "the store is not that of this repository",
                where,
                f"runs and versions of this repository go there, and not to {own}; two stores hold "
                "half of the history each",
                _UNSET,
            )
        ]
    return [
        Finding(
            "the store is a server",
            where,
            f"as a team uses it; {own} is not read",
            is_fault=False,
        )
    ]


def check_reach() -> list[Finding]:
    """Find a server that does not answer; an SQLite file is looked at elsewhere."""
    uri = tracking_uri()
    if database_of(uri) is not None or urlsplit(uri).scheme in ("", "file"):
        return []
    try:
        if urlsplit(uri).scheme not in ("http", "https"):
            _connect(uri)  # MLflow itself tries for two minutes
        MlflowClient(uri).search_experiments(max_results=1)
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, ImportError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        reason = reason.replace(urlsplit(uri).password or "\0", "***")
        return [
            Finding(
                "the store cannot be reached",
                f"{_VARIABLE}={shown_uri(uri)}",
                f"trainings go on without curves, and registering fails ({reason}); start the "
                "server, or use the store of the repository",
                _UNSET,
            )
        ]
    return []


def _connect(uri: str) -> None:
    knows_timeout = uri.startswith(("postgresql", "mysql"))
    arguments = {"connect_timeout": _SECONDS} if knows_timeout else {}
    engine = sqlalchemy.create_engine(uri, connect_args=arguments)
    try:
        engine.connect().close()
    finally:
        engine.dispose()
