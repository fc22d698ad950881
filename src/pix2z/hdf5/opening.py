"""The boundary to files that others wrote: whatever is wrong with them becomes one clear line."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pix2z.errors import InputError
from pix2z.hdf5.looking import look_at, variable_text

__all__ = ["in_one_line", "integer_attribute", "open_hdf5", "plain", "reading", "text_attribute"]

DAMAGE = (
    OSError,
    RuntimeError,  # also NotImplementedError, of a zip's compression
    KeyError,
    IndexError,
    ValueError,  # also UnicodeDecodeError
    TypeError,
    AttributeError,
    MemoryError,
    OverflowError,
    EOFError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,  # numpy reading the header of an array
)
"""What h5py, zipfile and numpy raise where bytes are not what they should be."""

LONGEST_TEXT = 1000
"""Characters of an attribute that are kept."""


@contextmanager
def reading(path: str | Path, what: str = "") -> Iterator[None]:
    """Turn an error of reading a damaged file into InputError naming the file and `what` of it."""
    try:
        yield
    except DAMAGE as error:
        place = f"{path}: {what}" if what else f"{path}"
        raise InputError(f"{place}: cannot be read ({in_one_line(error)})") from error


def in_one_line(error: BaseException) -> str:
    """Type and message of an error, without line breaks, shortened."""
    message = plain(str(error))[:200]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def plain(text: str) -> str:
    """Text of others in one line of what can be printed: no control characters, no surrogates."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file read-only; raise InputError where it is missing, damaged or no HDF5.

    Damage on which HDF5 would hang or crash is found by another process first: see `looking`.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: cannot be opened: no such file")
    try:
        file = h5py.File(path, "r")
    except DAMAGE as error:
        raise InputError(
            f"{path}: cannot be opened: damaged or not HDF5 ({in_one_line(error)})"
        ) from error
    try:
        look_at(path)
        yield file
    finally:
        with reading(path):
            file.close()


def text_attribute(holder: h5py.HLObject, name: str, path: str | Path) -> str | None:
    """Text of an attribute, in one line; None where there is none or it is no text."""
    value = _scalar_attribute(holder, name, path, h5py.h5t.TypeStringID)
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    return plain(value)[:LONGEST_TEXT] or None if isinstance(value, str) else None


def integer_attribute(holder: h5py.HLObject, name: str, path: str | Path) -> int | None:
    """Value of an attribute; None where there is none or it is no whole number."""
    value = _scalar_attribute(holder, name, path, h5py.h5t.TypeIntegerID)
    return None if value is None else int(value)


def _scalar_attribute(
    holder: h5py.HLObject, name: str, path: str | Path, stored_type: type[h5py.h5t.TypeID]
) -> Any:
    """Value of an attribute of one element of that type, else None; no other is ever read.

    A damaged type can turn text into a sequence of variable length, on which HDF5 would crash.
    """
    with reading(path, f"attribute {name!r}"):
        if name not in holder.attrs:
            return None
        attribute = holder.attrs.get_id(name)
        shape = attribute.shape
        kind = attribute.get_type()
        if not isinstance(kind, stored_type) or shape not in ((), (1,)):
            return None
        if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
            return variable_text(path, str(holder.name), name)
        return np.asarray(holder.attrs[name]).reshape(-1)[0]
