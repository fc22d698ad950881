"""Atomic writing, JSON, digests, and the raw files that a source names."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pix2z.errors import InputError

__all__ = [
    "atomic_path",
    "file_digest",
    "files_of",
    "named_write_errors",
    "read_json",
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


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, else removed.

    The temporary name depends on `path` alone, so what a killed process left is overwritten by the
    next one instead of piling up. The suffix is kept, since writers choose formats by it.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".partial-{final.name}")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


def reserve(descriptor: int, n_bytes: int) -> None:
    """Claim the space on the disk of an open file; OSError where there is too little.

    HDF5 says nothing of a disk that fills up on the way, and the process crashes as it ends.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, n_bytes)


@contextmanager
def named_write_errors(path: str | Path) -> Iterator[None]:
    """Turn an error of writing (no permission, disk full) into InputError naming the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # HDF5 ends with a RuntimeError on a full disk
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{path}: cannot be written ({reason})") from error


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    with atomic_path(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise InputError naming it where it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected JSON") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal; raise InputError naming it where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def text_digest(*parts: str) -> str:
    """SHA-256 over the given texts, each closed by a NUL so that no two lists collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def source_digest(*parts: str) -> str:
    """SHA-256 over the package's own sources: rooms ("network") or files ("imaging.py")."""
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
    if not folder.is_dir():
        return (folder,)
    try:
        there = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
        found = {one: kind for one in there if (kind := _kind(one)) and one.is_file()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
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


def total_digest(files: Sequence[Path], digests: Sequence[str] | None = None) -> str:
    """SHA-256 of one file, or over names and SHA-256 of several."""
    each = digests if digests is not None else [file_digest(file) for file in files]
    if len(files) == 1:
        return each[0]
    pairs = zip(files, each, strict=True)
    return text_digest(*(part for file, digest in pairs for part in (file.name, digest)))
