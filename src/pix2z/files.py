"""Atomic writing, JSON and digests of files."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pix2z.errors import InputError

__all__ = ["atomic_path", "file_digest", "read_json", "source_digest", "text_digest", "write_json"]


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
    """SHA-256 over the package's own sources: rooms ("network") or files ("sky/imaging.py")."""
    package = Path(__file__).parent
    found = [
        [package / part] if part.endswith(".py") else (package / part).rglob("*.py")
        for part in parts
    ]
    files = sorted(path for paths in found for path in paths)
    return text_digest(*(f"{path.relative_to(package)}:{file_digest(path)}" for path in files))
