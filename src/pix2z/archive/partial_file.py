"""A file on its way: the bytes that are here, the version of the file they are of, and a lock.

``.partial-<name>`` holds the bytes, ``.partial-<name>.version.json`` what the server said of the
version they are of. Bytes are written as they come, unbuffered: a killed process loses none.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from pix2z.archive.http_answers import Version
from pix2z.errors import InputError, Pix2zError
from pix2z.files import PARTIAL, read_json, write_json

__all__ = ["Partial", "open_partial", "partial_path", "what_is_kept"]

logger = logging.getLogger(__name__)


def partial_path(path: Path) -> Path:
    """Return where the bytes of `path` lie until they are whole."""
    return path.with_name(f"{PARTIAL}{path.name}")


def _version_path(path: Path) -> Path:
    return path.with_name(f"{PARTIAL}{path.name}.version.json")


def what_is_kept(path: Path) -> str:
    """Say what the next call finds of `path`."""
    try:
        size = partial_path(path).stat().st_size
    except OSError:
        size = 0
    if size == 0:
        return "no bytes are kept"
    return f"{size} bytes are kept, and the same command goes on from them"


@dataclass
class Partial:
    """The open, locked partial of `path`; its bytes are of `version`, if of any."""

    path: Path
    file: FileIO
    version: Version | None

    @property
    def size(self) -> int:
        """Bytes of `version` that are here."""
        return 0 if self.version is None else self.size_on_disk

    @property
    def size_on_disk(self) -> int:
        """Bytes that the partial takes, of whatever version."""
        return os.fstat(self.file.fileno()).st_size

    @property
    def whole(self) -> bool:
        """Whether every byte is here, as far as the server said how many there are."""
        return self.version is not None and self.size == self.version.total

    def restart(self, version: Version) -> None:
        """Drop what is here and begin with the first byte of `version`."""
        self.file.truncate(0)
        write_json(_version_path(self.path), asdict(version))
        self.version = version

    def append(self, chunk: bytes) -> None:
        """Write bytes that follow those that are here."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[self.file.write(rest) :]

    def discard(self) -> None:
        """Remove the partial, and the record of its version."""
        partial_path(self.path).unlink(missing_ok=True)
        _version_path(self.path).unlink(missing_ok=True)

    def publish(self) -> None:
        """Give the file its name, once its bytes are on the disk."""
        os.fsync(self.file.fileno())
        partial_path(self.path).replace(self.path)
        _version_path(self.path).unlink(missing_ok=True)


@contextmanager
def open_partial(path: Path, url: str) -> Iterator[Partial]:
    """Open the partial of `path` for this process alone; one that stays empty is removed.

    Bytes that are not known to be the beginning of `url` count for nothing.

    Raises
    ------
    InputError
        The folder cannot be written to.
    Pix2zError
        Another process is fetching the same file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = partial_path(path).open("a+b", buffering=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    with file:
        if not _lock(file, path):
            raise Pix2zError(f"{path}: another process is fetching it")
        partial = Partial(path, file, _kept_version(path, url))
        try:
            yield partial
        except BaseException:
            if partial.size_on_disk == 0:
                partial.discard()
            raise


def _lock(file: FileIO, path: Path) -> bool:
    """Lock the open file; False where another process has it, or has renamed it meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # such as of Lustre mounted without flock
        logger.warning("%s: no locks here; make sure that nothing else fetches it", path)
    try:
        return os.path.samestat(os.fstat(file.fileno()), partial_path(path).stat())
    except FileNotFoundError:
        return False


def _kept_version(path: Path, url: str) -> Version | None:
    """Return the version that kept bytes are of, None where they are not the beginning of `url`."""
    try:
        version = Version(**read_json(_version_path(path)))
    except (InputError, TypeError):
        return None
    if version.url != url or not isinstance(version.total, int):
        return None
    return version if partial_path(path).stat().st_size <= version.total else None
