"""Arrays of .npy files and of zips of them, read by range of rows, no more held than the range.

A member that is stored as it is lies in the file like any array and is read where it lies, its
checksum unread; a compressed one is a stream, read forwards, and again from its start where an
earlier row is wanted; its checksum is compared when its last row is read.
Nothing is unpickled, and every size that a header claims is checked before anything is allocated.
"""

import math
import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.hdf5 import opening, other_format, plain, reading

__all__ = ["Member", "is_npy", "members_of", "open_member", "open_npy", "open_zip", "read_header"]

LOCAL_HEADER = struct.Struct("<4s22xHH")
"""What stands before each member: signature, lengths of name and extra field."""

ENCRYPTED = 1
"""Flag of such a member."""

ZIP = b"PK"
"""What a zip begins with."""

MOST_COMPRESSION = 1100
"""Claimed over compressed bytes; deflate reaches 1032 at most."""

UNCHECKED_BYTES = 1 << 20
"""A member that claims to be no larger than this may be compressed as it likes."""

LONGEST_HEADER = 1 << 16
"""Characters of an array's header."""

PIECE = 1 << 18
"""Bytes read at once, of which a stream makes a copy."""


@dataclass(frozen=True)
class Member:
    """An array of an npy or npz file: `shape[0]` rows, from byte `offset` of `stream` on."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stream: IO[bytes]
    offset: int

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Read a range of rows, whole, and return what the rest of `index` wants of them."""
        start, stop, _ = index[0].indices(self.shape[0])
        values = np.empty((stop - start, *self.shape[1:]), self.dtype)
        with reading(self.path, f"{self.name}: rows {start} to {stop}"):
            self.stream.seek(self.offset + start * math.prod(self.shape[1:]) * self.dtype.itemsize)
            wanted = memoryview(values.reshape(-1).view(np.uint8).data)
            while wanted:
                got = self.stream.readinto(wanted[:PIECE])  # type: ignore[attr-defined]
                if not got:
                    raise EOFError("it ends early")
                wanted = wanted[got:]
        return values[(slice(None), *index[1:])]


@contextmanager
def open_member(path: str | Path, name: str) -> Iterator[Member]:
    """Open one array of an npz file; raise InputError where it is missing or not what it claims."""
    with open_zip(path) as archive:
        with reading(path, name):
            try:
                info = archive.getinfo(f"{name}.npy")
            except KeyError:
                names = ", ".join(sorted(_arrays_of(archive))[:20]) or "no arrays"
                raise InputError(
                    f"{path}: array {name!r} is missing; the file has {plain(names)}"
                ) from None
            _check_claims(info, path, name)
        with _bytes_of(archive, info, path) as stream:
            with reading(path, name):
                is_stored = info.compress_type == zipfile.ZIP_STORED
                start = _start_of(info, stream) if is_stored else 0
            yield _member(path, name, stream, start=start, size=info.file_size)


@contextmanager
def open_npy(path: str | Path) -> Iterator[Member]:
    """Open the array of a .npy file; raise InputError where it is missing or not what it claims."""
    path = Path(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error
    with stream:
        if other := other_format(path, npy.MAGIC_PREFIX):
            raise InputError(f"{path}: expected .npy; received {other}")
        yield _member(path, path.stem, stream, start=0, size=path.stat().st_size)


def is_npy(path: str | Path) -> bool:
    """Whether a file begins as .npy files do."""
    with Path(path).open("rb") as file:
        return file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX


def members_of(path: str | Path) -> tuple[str, ...]:
    """Names of the arrays of an npz file."""
    with open_zip(path) as archive, reading(path):
        return _arrays_of(archive)


def _arrays_of(archive: zipfile.ZipFile) -> tuple[str, ...]:
    names = archive.namelist()
    return tuple(name.removesuffix(".npy") for name in names if name.endswith(".npy"))


def _member(path: str | Path, name: str, stream: IO[bytes], *, start: int, size: int) -> Member:
    """Make the array whose .npy file is the `size` bytes from `start` on."""
    with reading(path, name):
        stream.seek(start)
        shape, fortran_order, dtype = read_header(stream)
        offset = stream.tell()
    where = f"{path}: {name}"
    _check_header(where, shape, dtype, size=size - (offset - start))
    if fortran_order:
        raise InputError(
            f"{where}: is in Fortran order, so that no galaxy lies together; save "
            f"np.ascontiguousarray({name})"
        )
    return Member(Path(path), name, shape, dtype, stream, offset)


@contextmanager
def open_zip(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open an npz file; raise InputError where it is missing, damaged or of another format."""
    if not Path(path).exists():
        raise InputError(f"{path}: cannot be opened: no such file")
    with opening(path, "npz", ZIP):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


def _check_claims(info: zipfile.ZipInfo, path: str | Path, name: str) -> None:
    where, held = f"{path}: {name}", Path(path).stat().st_size
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{where}: expected an array stored or deflated, as numpy writes it; received "
            f"compression {info.compress_type}"
        )
    if info.flag_bits & ENCRYPTED:
        raise InputError(f"{where}: is encrypted; unpack it and save the array anew")
    most = info.compress_size
    if info.compress_type == zipfile.ZIP_DEFLATED:
        most = max(UNCHECKED_BYTES, MOST_COMPRESSION * info.compress_size)
    if info.compress_size > held or info.file_size > most:
        raise InputError(
            f"{where}: claims {info.file_size} bytes, {info.compress_size} of them stored, in a "
            f"file of {held}"
        )


def _bytes_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str | Path) -> IO[bytes]:
    """Open the file itself for a stored member, a stream for a compressed one."""
    with reading(path, info.filename):
        if info.compress_type == zipfile.ZIP_STORED:
            return Path(path).open("rb")
        return archive.open(info)


def _start_of(info: zipfile.ZipInfo, stream: IO[bytes]) -> int:
    """Where a stored member's bytes begin in the file."""
    stream.seek(info.header_offset)
    signature, name_length, extra_length = LOCAL_HEADER.unpack(stream.read(LOCAL_HEADER.size))
    if signature != zipfile.stringFileHeader:  # type: ignore[attr-defined]
        raise zipfile.BadZipFile("no header before the array")
    return int(info.header_offset) + LOCAL_HEADER.size + int(name_length) + int(extra_length)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and dtype of the array whose .npy file begins here."""
    version = npy.read_magic(stream)
    # Version 3 differs from 2 in the encoding of field names only; those looked for are ASCII.
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a header that Python 2 wrote
        shape, fortran_order, dtype = read(stream, max_header_size=LONGEST_HEADER)
    return shape, fortran_order, dtype


def _check_header(where: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, size: int) -> None:
    if dtype.hasobject:
        raise InputError(
            f"{where}: holds Python objects, which are never unpickled; save plain numbers"
        )
    if not shape or min(shape) < 1 or dtype.itemsize < 1:
        raise InputError(f"{where}: expected rows; received shape {shape} of {dtype}")
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != size:
        raise InputError(
            f"{where}: header claims {shape} of {dtype}, {claimed} bytes; {size} are there"
        )
