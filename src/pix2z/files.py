"""Atomic writing, JSON, digests, and the raw files that a source names."""

import bz2
import gzip
import hashlib
import json
import os
import re
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from socket import gethostname
from tempfile import gettempdir
from typing import Any

from pix2z.errors import InputError

__all__ = [
    "FITS",
    "PARTIAL",
    "as_text",
    "atomic_path",
    "cache_folder",
    "destination",
    "file_digest",
    "files_of",
    "is_alive",
    "is_fits",
    "left_out_of",
    "named_write_errors",
    "read_json",
    "read_text",
    "reserve",
    "source_digest",
    "text_digest",
    "total_digest",
    "write_json",
]

KINDS = {
    "HDF5": (".h5", ".hdf5"),
    "npz": (".npz",),
    "npy": (".npy",),
    "FITS": (".fits", ".fit", ".fts", ".fits.gz", ".fits.bz2", ".fits.fz"),
}
"""Kind of file -> how the names of raw files of that kind end."""

FITS = b"SIMPLE  ="
"""What a file of FITS begins with."""

PARTIAL = ".partial-"
"""Begins the names of files that are being written."""

LISTED_NAMES = 10
"""Names that are told of what is left out of a folder."""

_OF_PROCESS = r"(\d{1,9})-[0-9a-f]{8}-"
"""In temporary names: number of the process, which it catches, and a random part."""

LEAST_BYTES = 1 << 20
"""More than an HDF5 file takes besides its numbers."""

LONGEST_END = 160
"""Bytes of a file's name in its temporary one."""


@contextmanager
def atomic_path(path: str | Path, *, n_bytes: int = 0) -> Iterator[Path]:
    """Yield a temporary path for `path`; on success it is renamed to that, else removed.

    Temporary names are unique, so that two processes which write one file never meet: the file is
    that of the later one, whole. A name tells its process, so that the next writer of the same file
    removes what a killed one left on this machine. The suffix is kept, since writers choose formats
    by it. Links are written through, see `destination`.

    Parameters
    ----------
    n_bytes : that an HDF5 file will take, in numbers; the disk must have room for them and for some
        more. HDF5 says nothing of a disk that fills up on the way, and the process crashes.

    Raises
    ------
    InputError
        `path` is no file, or cannot be written: no permission, a full disk.
    """
    final = destination(path)
    end = _end_of_name(final.name)
    with named_write_errors(path):
        if final.exists() and not final.is_file():
            raise InputError(f"{path}: expected the name of a file; there is something else")
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(final.parent, end)
        partial = final.with_name(f"{_prefix()}{os.getpid()}-{secrets.token_hex(4)}-{end}")
        try:
            if n_bytes:
                with partial.open("wb") as file:
                    reserve(file.fileno(), n_bytes + LEAST_BYTES)
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)


def destination(path: str | Path) -> Path:
    """Return where the file lies that is written as `path`: where it points to, if it is a link.

    A link to a write-protected file, as in DVC's cache, is replaced: what it points to is shared.
    """
    path, target = Path(path), Path(os.path.realpath(path))
    if target.is_symlink():
        raise InputError(
            f"{path}: expected the name of a file; it is a link that leads in a circle"
        )
    is_protected = target.is_file() and not target.stat().st_mode & 0o222
    return target if path.is_symlink() and not is_protected else path


def _end_of_name(name: str) -> str:
    """As much of a file's name as leaves a temporary one below the 255 bytes of file systems.

    A writer may get a temporary name itself: of that, what it is for.
    """
    name = re.sub(rf"^{_prefix()}{_OF_PROCESS}", "", name)
    return os.fsencode(name)[-LONGEST_END:].decode(errors="ignore")


@cache
def _prefix() -> str:
    """Return what temporary names of this machine begin with.

    A container may have the name of its machine and number its processes anew, so what numbers them
    goes in, too.
    """
    numbered_by = ""
    with suppress(OSError):  # not every system has it
        numbered_by = str(Path("/proc/self/ns/pid").readlink())
    return f"{PARTIAL}{text_digest(gethostname(), numbered_by)[:8]}-"


def _remove_leftovers(folder: Path, end: str) -> None:
    """Remove temporary files of processes of this machine that have ended, for names ending so."""
    temporary = re.compile(rf"{_prefix()}{_OF_PROCESS}{re.escape(end)}")
    with suppress(OSError):  # a folder may take files and show none
        for path in folder.iterdir():
            match = temporary.fullmatch(path.name)
            if match and not is_alive(int(match[1])):
                path.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is another user's
        return True
    return True


def reserve(descriptor: int, n_bytes: int) -> None:
    """Claim the space on the disk of an open file; OSError where there is too little."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, n_bytes)


@contextmanager
def named_write_errors(path: str | Path) -> Iterator[None]:
    """Turn an error of writing (no permission, disk full) into InputError naming the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        is_partial = Path(path).name.startswith(PARTIAL)  # of a writer that names its own file
        if is_partial or not _is_of_writing(error, path):
            raise
        told = re.search(r"errno = (\d+)", str(error))  # by HDF5, among much else
        number = int(told[1]) if told else getattr(error, "errno", None)
        reason = os.strerror(number) if number else " ".join(str(error).split())
        raise InputError(f"{path}: cannot be written ({reason})") from error


def _is_of_writing(error: OSError | RuntimeError, path: str | Path) -> bool:
    """Whether an error is of the file to be written, not of another that is read meanwhile."""
    if not isinstance(error, OSError):
        return "errno" in str(error)  # HDF5, where a disk is full
    name = error.filename2 or error.filename  # of a copy, the second
    if name is None:  # of a system's call, or told by HDF5 in its text
        return error.errno is not None or "errno" in str(error)
    other, final = Path(os.fsdecode(name)), destination(path)
    return other.name.startswith(PARTIAL) or other in (Path(path), final, *final.parents)


def cache_folder() -> Path:
    """Return a folder of this user for what can be fetched again.

    It is pix2z in the user's folder of caches, else in that of temporary files: a container may run
    as a number without a home.
    """
    with suppress(OSError, RuntimeError):
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pix2z"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return Path(gettempdir(), f"pix2z-{os.getuid()}")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    with atomic_path(path) as partial:
        # Bytes of a file's name that are no text become JSON's own escapes.
        partial.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_text(path: str | Path) -> str:
    """Text of a file in UTF-8; raise InputError naming it where it is missing or no such text.

    A named pipe that nobody writes to is empty: opening it as usual would wait for ever.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8-sig") as file:
            os.set_blocking(file.fileno(), True)
            return file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected text in UTF-8 ({error})") from error


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise InputError naming it where it is missing or not JSON."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error


def is_fits(path: str | Path) -> bool:
    """Whether a file begins as FITS does, packed or not."""
    for opened in (open, gzip.open, bz2.open):
        with suppress(OSError, EOFError, zlib.error), opened(path, "rb") as file:
            if file.read(len(FITS)) == FITS:
                return True
    return False


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal; raise InputError naming it where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def as_text(path: str | Path) -> str:
    r"""Path as text that any file can hold: bytes that are no UTF-8 become escapes, as ``\xff``."""
    return os.fsencode(path).decode(errors="backslashreplace")


def text_digest(*parts: str) -> str:
    """SHA-256 over the given texts, each closed by a NUL so that no two lists collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()


def source_digest(*parts: str) -> str:
    """SHA-256 over the package's own sources: rooms ("network") or files ("fits.py")."""
    package = Path(__file__).parent
    found = [
        [package / part] if part.endswith(".py") else (package / part).rglob("*.py")
        for part in parts
    ]
    files = sorted(path for paths in found for path in paths)
    return text_digest(*(f"{path.relative_to(package)}:{file_digest(path)}" for path in files))


def files_of(path: str | Path) -> tuple[Path, ...]:
    """Return the file itself, or the raw files in a folder, sorted by name; hidden ones left out.

    Raises
    ------
    InputError
        There is nothing, or files of several kinds stand side by side.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_file() and not folder.is_dir():
        raise InputError(f"{path}: expected a file or a folder; it is a pipe or a device")
    if not folder.is_dir():
        return (folder,)
    found = {one: kind for one in _seen_in(folder) if (kind := _kind(one)) and one.is_file()}
    if not found:
        suffixes = ", ".join(suffix for kind in KINDS.values() for suffix in kind)
        raise InputError(f"{path}: expected a folder with files {suffixes}; has none")
    first, *others = found
    for other in others:
        if found[other] != found[first]:
            raise InputError(
                f"{path}: expected files of one layout; received {first.name} and {other.name}"
            )
    return tuple(found)


def _kind(file: Path) -> str | None:
    name = file.name.lower()
    return next((kind for kind, suffixes in KINDS.items() if name.endswith(suffixes)), None)


def left_out_of(path: str | Path) -> str:
    """Name what in a folder `files_of` takes no notice of, in one line; empty where it is none."""
    folder = Path(path)
    seen = _seen_in(folder) if folder.is_dir() else []
    names = [file.name for file in seen if not (_kind(file) and file.is_file())]
    more = [f"{len(names) - LISTED_NAMES} more"] if len(names) > LISTED_NAMES else []
    return ", ".join(names[:LISTED_NAMES] + more)


def _seen_in(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted by name; hidden files left out."""
    try:
        return sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error


def total_digest(files: Sequence[Path], digests: Sequence[str] | None = None) -> str:
    """SHA-256 of one file, or over names and SHA-256 of several."""
    each = digests if digests is not None else [file_digest(file) for file in files]
    if len(files) == 1:
        return each[0]
    pairs = zip(files, each, strict=True)
    return text_digest(*(part for file, digest in pairs for part in (file.name, digest)))
