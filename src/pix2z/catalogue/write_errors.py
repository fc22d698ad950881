"""Failures of writing, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pix2z.errors import InputError

__all__ = ["named_write_errors"]


@contextmanager
def named_write_errors(path: Path) -> Iterator[None]:
    """Turn an error of writing (no permission, disk full) into InputError naming the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # HDF5 ends with a RuntimeError on a full disk
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{path}: cannot be written ({reason})") from error
