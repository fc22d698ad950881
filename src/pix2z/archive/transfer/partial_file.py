"""A file on its way: bytes so far, the version they are of, their digest, and a lock.

``.partial-<name>`` holds the bytes, ``.partial-<name>.version.json`` which version they are of.
Bytes are written as they come, unbuffered: a killed process loses none, and the partial's length
says how far it is.
"""

import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from pix2z.archive.transfer.ranged import Remote
from pix2z.errors import InputError, Pix2zError
from pix2z.files import read_json, write_json

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Partial", "discard", "hash_file", "open_partial", "partial_path", "what_is_kept"]

CHUNK = 2**20

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK})
"""How file systems without locks answer, such as Lustre mounted without `flock`."""

logger = logging.getLogger(__name__)


def partial_path(path: Path) -> Path:
    """Return where the bytes of `path` lie until they are whole."""
    return path.with_name(f".partial-{path.name}")


def _version_path(path: Path) -> Path:
    return path.with_name(f".partial-{path.name}.version.json")


@dataclass
class Partial:
    """The open, locked partial of `path`; `size` counts its bytes of the version `remote`.

    Before `restart`, a partial of size 0 may hold bytes of another version on disk.
    """

    path: Path
    file: FileIO
    remote: Remote | None = None
    size: int = 0
    digest: "_Hash" = field(default_factory=hashlib.sha256)

    @property
    def whole(self) -> bool:
        """Whether every byte is here, as far as the server said how many there are."""
        return self.remote is not None and self.size == self.remote.total

    def size_on_disk(self) -> int:
        """Bytes that the partial takes, of whatever version."""
        return os.fstat(self.file.fileno()).st_size

    def restart(self, remote: Remote) -> None:
        """Drop what is here and begin with the first byte of `remote`."""
        self.file.truncate(0)
        write_json(_version_path(self.path), asdict(remote))
        self.remote, self.size, self.digest = remote, 0, hashlib.sha256()

    def append(self, chunk: bytes) -> None:
        """Write bytes that follow those that are here."""
        rest = memoryview(chunk)
        while rest:
            written = self.file.write(rest)
            self.digest.update(rest[:written])
            self.size += written
            rest = rest[written:]

    def publish(self) -> None:
        """Give the file its name, once its bytes are on the disk."""
        os.fsync(self.file.fileno())
        partial_path(self.path).replace(self.path)
        _version_path(self.path).unlink(missing_ok=True)


@contextmanager
def open_partial(path: Path, *, url: str, report: Callable[[int, int], None]) -> Iterator[Partial]:
    """Open the partial of `path` for this process alone, and hash what it holds of `url`.

    A partial that ends up empty is removed.

    Parameters
    ----------
    report : called with bytes hashed and bytes to hash.

    Raises
    ------
    InputError
        The folder cannot be written to.
    Pix2zError
        Another process is fetching the same file.
    """
    with _locked(path) as file:
        try:
            partial = Partial(path, file)
            _take_up(partial, url=url, report=report)
            yield partial
        finally:
            # After a success the name is that of no file, or of another process's.
            if _is_at(file, partial_path(path)) and os.fstat(file.fileno()).st_size == 0:
                discard(path)


def discard(path: Path) -> None:
    """Remove the partial of `path`, and the record of its version."""
    partial_path(path).unlink(missing_ok=True)
    _version_path(path).unlink(missing_ok=True)


def what_is_kept(path: Path) -> str:
    """Say what the next call finds of `path`."""
    try:
        size = partial_path(path).stat().st_size
    except OSError:
        size = 0
    if size == 0:
        return "no bytes are kept"
    return f"{size} bytes are kept, and the same command goes on from them"


def hash_file(path: Path, *, size: int, report: Callable[[int, int], None]) -> "_Hash":
    """SHA-256 of the first `size` bytes of a file."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(min(CHUNK, size - done)):
            digest.update(chunk)
            done += len(chunk)
            report(done, size)
    return digest


def _take_up(partial: Partial, *, url: str, report: Callable[[int, int], None]) -> None:
    """Use what is on disk, where it is known to be of `url`."""
    remote, size = _read_version(partial.path), partial.size_on_disk()
    if remote is None or remote.url != url or remote.total is None or size > remote.total:
        return
    partial.remote, partial.size = remote, size
    partial.digest = hash_file(partial_path(partial.path), size=size, report=report)


def _read_version(path: Path) -> Remote | None:
    try:
        found = Remote(**read_json(_version_path(path)))
    except (InputError, TypeError):
        return None
    texts = (found.etag, found.last_modified)
    if not isinstance(found.total, int) or not all(isinstance(t, str | None) for t in texts):
        return None
    return found


@contextmanager
def _locked(path: Path) -> Iterator[FileIO]:
    """Open the partial of `path`, made where there is none, with an exclusive lock."""
    place = partial_path(path)
    while True:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            file = place.open("a+b", buffering=0)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
        with file:
            _lock(file, path)
            # Whoever held the lock may have finished and renamed the file that was opened.
            if _is_at(file, place):
                yield file
                return


def _lock(file: FileIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Pix2zError(f"{path}: another process is fetching it") from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        logger.warning("%s: no locks here; make sure that nothing else fetches it", path)


def _is_at(file: FileIO, place: Path) -> bool:
    """Tell whether `place` is the name of the open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    except FileNotFoundError:
        return False
