"""How commands open the store: the one that is there, with MLflow's notices off the terminal."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pix2z.tracking.store import Store

__all__ = ["session"]

RETRIES = "2"
"""Of requests to a server; MLflow's own 7 keep a person waiting for minutes."""


@contextmanager
def session() -> Iterator["Store"]:
    """Open the store that is there, with MLflow's notices off the terminal."""
    from pix2z.tracking.store import existing_store  # imports MLflow, which sets its own level

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with existing_store() as store:
        yield store
