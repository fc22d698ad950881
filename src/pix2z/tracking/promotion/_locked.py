"""One promotion at a time (until `tracking.store` has it)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from pix2z.files import text_digest
from pix2z.tracking.store import SQLITE, Store
from pix2z.tracking.versions import pool_cache


@contextmanager
def locked(store: Store | str, purpose: str) -> Iterator[None]:
    """Hold a lock file beside a SQLite store, else in the user's folder of caches."""
    uri = store if isinstance(store, str) else store.uri
    if uri.startswith(SQLITE):
        path = Path(f"{uri.removeprefix(SQLITE)}.{purpose}.lock")
    else:
        path = pool_cache().parent / f"{text_digest(uri)[:16]}.{purpose}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
