"""The one boundary to HDF5 files that others wrote: whatever is wrong with one is one clear line.

Nothing that a file says of itself is believed. Three things are done about that:

1. `reading` turns what h5py, zipfile and numpy raise on damaged bytes into InputError.
2. `find_dataset` hands out only data that lie in the file itself, or as a virtual dataset in files
   beside it, and of which as much is stored as is claimed.
3. HDF5 itself can hang: it walks the heaps in which texts of variable length and the sources of
   virtual datasets lie by sizes that the file gives, and a damaged size sends it round for ever, or
   asks for 4 GiB, within a call that nothing in this process can interrupt. So `open_hdf5` lets a
   guard, a process of its own, open all objects first, and the guard alone reads such texts. It is
   started with the first file, in about 0.3 s, and ends with this process; a file of a few objects
   takes it 2 ms. It imports this module, and of pix2z nothing else but `errors`.
"""

import atexit
import json
import math
import os
import signal
import struct
import subprocess
import sys
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

import h5py
import numpy as np

from pix2z.errors import InputError

__all__ = [
    "DAMAGE",
    "MOST_VALUES",
    "attribute_names",
    "attribute_texts",
    "attribute_values",
    "begin_guard",
    "dataset_values",
    "find_dataset",
    "has_key",
    "in_one_line",
    "integer_attribute",
    "keys_of",
    "open_hdf5",
    "opening",
    "other_format",
    "plain",
    "reading",
    "text_attribute",
    "virtual_files",
    "watch",
]

DAMAGE = (
    OSError,
    RuntimeError,  # also NotImplementedError, of a zip's compression
    LookupError,  # KeyError and IndexError
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

MOST_VALUES = 64
"""Values of an attribute that are read."""

STORED_TYPES = (
    h5py.h5t.TypeStringID,
    h5py.h5t.TypeIntegerID,
    h5py.h5t.TypeFloatID,
    h5py.h5t.TypeEnumID,
)
"""Of attributes that are read; a truth value is an enumeration."""

LISTED_KEYS = 20

MOST_LINKS = 16
"""Soft links followed to one dataset."""

MOST_COMPRESSION = 4096
"""Claimed over stored bytes; deflate reaches 1032 at most."""

UNCHECKED_BYTES = 1 << 26
"""A dataset that claims to be no larger than this may be stored as it likes."""

LARGEST_CHUNK = 1 << 30
"""Bytes; a chunk is read whole."""

FORMATS = {
    b"\x89HDF": "an HDF5 file",
    b"SIMPLE  =": "a FITS file",
    b"\x93NUMPY": "a numpy array (.npy)",
    b"PK\x03\x04": "a zip file, as npz is",
    b"\x1f\x8b": "a gzip file; unpack it first",
    b"BZh": "a bzip2 file; unpack it first",
    b"\xfd7zXZ": "an xz file; unpack it first",
    b"CDF": "a netCDF file of the classic format",
    b"PAR1": "a Parquet table",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"<": "a page of HTML or XML",
    b"version https://git-lfs": "a pointer of Git LFS; git lfs pull brings the file",
}
"""First bytes of files that people take for another format, and what they are."""

FIRST_BYTES = 64

GUARD_SECONDS = 10.0
"""For one answer, which takes some milliseconds, and longer only where a disk is slow."""

LOOKING_SECONDS = 2.0
"""Spent by the guard on the objects of one file at most; each takes about 0.1 ms."""

GUARD_MEMORY = 2 << 30
"""Bytes; a damaged length asks for 4 GiB, which fails at once instead of being filled."""


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


def other_format(path: str | Path, *expected: bytes) -> str:
    """Say what a file is by its first bytes; empty where they are `expected`, or not known."""
    with reading(path), Path(path).open("rb") as file:
        first = file.read(FIRST_BYTES)
    if first.startswith(expected):
        return ""
    if not first:
        return "an empty file"
    is_text = first.isascii() and all(c.isprintable() or c.isspace() for c in first.decode())
    known = (name for start, name in FORMATS.items() if first.startswith(start))
    return next(known, "text" if is_text else "")


@contextmanager
def opening(path: str | Path, kind: str, signature: bytes) -> Iterator[None]:
    """Turn an error of opening a file of a kind into InputError: of another format, or damaged.

    signature : what files of that kind begin with.
    """
    try:
        yield
    except DAMAGE as error:
        if other := other_format(path, signature):
            raise InputError(f"{path}: expected {kind}; received {other}") from error
        raise InputError(
            f"{path}: cannot be opened: damaged or not {kind} ({in_one_line(error)})"
        ) from error


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file read-only.

    Raises
    ------
    InputError
        The file is missing, damaged or no HDF5, HDF5 hangs or crashes on what is in it, or it was
        altered while it was open.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: cannot be opened: no such file")
    if not Path(path).is_file():  # opening a pipe would wait for ever
        raise InputError(f"{path}: expected a file; it is a folder, a pipe or a device")
    with opening(path, "HDF5", b"\x89HDF"):
        file = h5py.File(path, "r")
    try:
        check_unchanged = watch(file, path)
        _ask_guard(path)
        yield file
        check_unchanged()
    finally:
        with reading(path):
            file.close()


def watch(file: h5py.File, path: str | Path) -> Callable[[], None]:
    """Return what raises InputError once an open file is no longer as it is now.

    Where it ends earlier than when it was opened, HDF5 reads zeros, and says nothing.
    """
    descriptor = file.id.get_vfd_handle()
    before = os.fstat(descriptor)

    def check_unchanged() -> None:
        now = os.fstat(descriptor)
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InputError(f"{path}: changed while it was read; expected a file that stays")

    return check_unchanged


def attribute_names(holder: h5py.HLObject, path: str | Path) -> list[str]:
    """Names of all attributes of an object."""
    with reading(path, "attributes"):
        return [str(name) for name in holder.attrs]


def attribute_values(
    holder: h5py.HLObject, name: str, path: str | Path
) -> tuple[str, ...] | tuple[float, ...] | None:
    """Texts, each in one line, or numbers of an attribute; None where there is none or neither.

    No other type, and no more than `MOST_VALUES` values, are ever read: a damaged type can turn
    text into a sequence of variable length, on which HDF5 would crash.
    """
    with reading(path, f"attribute {name!r}"):
        if name not in holder.attrs:
            return None
        stored = holder.attrs.get_id(name)
        return _values(stored, lambda: holder.attrs[name], path, str(holder.name), name)


def dataset_values(
    dataset: h5py.Dataset, path: str | Path
) -> tuple[str, ...] | tuple[float, ...] | None:
    """Texts or numbers of a small dataset, as `attribute_values` of an attribute."""
    with reading(path, str(dataset.name)):
        return _values(dataset.id, lambda: dataset[...], path, str(dataset.name))


def _values(
    stored: Any, read: Callable[[], Any], path: str | Path, *place: str
) -> tuple[str, ...] | tuple[float, ...] | None:
    """Values of an attribute or dataset whose type and number are looked at first.

    place : where it lies, for the guard.
    """
    kind, shape = stored.get_type(), stored.shape
    if shape is None:  # h5py.Empty, which says nothing
        return ()
    if not isinstance(kind, STORED_TYPES) or not 1 <= math.prod(shape) <= MOST_VALUES:
        return None
    if not isinstance(kind, h5py.h5t.TypeStringID):
        return tuple(np.asarray(read()).reshape(-1).tolist())
    if kind.is_variable_str():
        texts = _ask_guard(path, *place)
        if not isinstance(texts, list):
            raise OSError(texts["raised"])
    else:
        texts = np.asarray(read(), object).reshape(-1).tolist()
    return tuple(
        plain(v.decode(errors="surrogateescape") if isinstance(v, bytes) else str(v))[:LONGEST_TEXT]
        for v in texts
    )


def text_attribute(holder: h5py.HLObject, name: str, path: str | Path) -> str | None:
    """Text of an attribute, in one line; None where there is none or it is not one text."""
    value = _one(attribute_values(holder, name, path))
    return value or None if isinstance(value, str) else None


def integer_attribute(holder: h5py.HLObject, name: str, path: str | Path) -> int | None:
    """Value of an attribute; None where there is none or it is not one whole number."""
    value = _one(attribute_values(holder, name, path))
    return value if isinstance(value, int) else None


def attribute_texts(file: h5py.File, path: str | Path, key: str) -> dict[str, str]:
    """Text of the attributes of a file, by their names, and of a dataset, as "key name".

    Those of one element that is text, a whole number or a truth value; of these the text is "True"
    or "False".
    """
    texts = {}
    for holder, before in ((file, ""), (find_dataset(file, path, key), f"{key} ")):
        for name in attribute_names(holder, path):
            value = _one(attribute_values(holder, name, path))
            if isinstance(value, str | int):
                texts[before + plain(name)] = str(value)
    return texts


def _one(values: tuple[Any, ...] | None) -> Any:
    return values[0] if values is not None and len(values) == 1 else None


def find_dataset(file: h5py.File, path: str | Path, key: str) -> h5py.Dataset:
    """Dataset of that name, which may be nested ("cat/z"), safe to read.

    Raises
    ------
    InputError
        There is none; it lies, or its data lie, in another file, unless it is virtual, and as
        `virtual_files` wants it; or it claims to hold far more than is stored.
    """
    with reading(path, key):
        dataset = _follow(file, f"{path}: {key}", key, depth=0)
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"{path}: key {key!r} is missing; the file has {keys_of(file, path)}")
    with reading(path, key):
        if dataset.is_virtual:
            virtual_files(dataset, path, key)
        else:
            _check_storage(dataset, f"{path}: {key}")
    return dataset


def virtual_files(dataset: h5py.Dataset, path: str | Path, key: str) -> tuple[Path, ...]:
    """Files that a virtual dataset is made of; none where it is not virtual.

    HDF5 reads zeros where such a file, or a part of it, is missing, and says nothing.

    Raises
    ------
    InputError
        They are not all files beside `path`, which lie there and hold what it takes of them; or
        some of its values are of no file.
    """
    if not dataset.is_virtual:
        return ()
    where, folder = f"{path}: {key}", Path(path).parent
    shapes: dict[tuple[str, str], tuple[int, ...]] = {}
    n_mapped = 0
    with reading(path, key):
        for part in dataset.virtual_sources():
            name, source = part.file_name, (part.file_name, part.dset_name)
            if name in ("", ".", "..") or Path(name).name != name:
                raise InputError(
                    f"{where}: expected a virtual dataset of files beside it; received {name!r}"
                )
            if source not in shapes:
                shapes[source] = _stored_shape(folder / name, part.dset_name, where)
            n_values = int(part.vspace.get_select_npoints())
            if not _holds(shapes[source], part.src_space, n_values):
                raise InputError(
                    f"{where}: expected more in {name} than there is: {part.dset_name!r} has shape "
                    f"{shapes[source]}"
                )
            n_mapped += n_values
        if n_mapped != dataset.size:
            raise InputError(
                f"{where}: expected all values of a virtual dataset in files; received {n_mapped} "
                f"of {dataset.size}"
            )
    return tuple(folder / name for name in dict.fromkeys(name for name, _ in shapes))


def _stored_shape(path: Path, key: str, where: str) -> tuple[int, ...]:
    """Shape of a dataset that part of a virtual one is made of, which is not virtual itself."""
    with open_hdf5(path) as file:
        stored = _follow(file, where, key, depth=0)
        if not isinstance(stored, h5py.Dataset) or stored.is_virtual:
            raise InputError(f"{where}: expected data that are stored in {path}, as {key!r}")
        _check_storage(stored, f"{path}: {key}")
        return tuple(stored.shape)


def _holds(shape: tuple[int, ...], taken: Any, n_values: int) -> bool:
    """Whether data of a shape hold what is taken of them, `n_values` in all."""
    if taken.get_select_type() == h5py.h5s.SEL_ALL:
        return math.prod(shape) == n_values
    _, last = taken.get_select_bounds()
    return len(last) == len(shape) and all(i < n for i, n in zip(last, shape, strict=True))


def has_key(file: h5py.File, path: str | Path, key: str) -> bool:
    """Whether the file has something of that name; never follows a link into another file."""
    with reading(path, key):
        return _follow(file, f"{path}: {key}", key, depth=0) is not None


def keys_of(file: h5py.File, path: str | Path) -> str:
    """Names at the top of the file, for people."""
    with reading(path):
        names = sorted(plain(str(name)) for name in file)
    more = [f"{len(names) - LISTED_KEYS} more"] if len(names) > LISTED_KEYS else []
    return ", ".join(names[:LISTED_KEYS] + more) or "no keys"


def _follow(group: h5py.Group, where: str, place: str, *, depth: int) -> h5py.HLObject | None:
    """Return what lies at `place`, soft links followed by hand; None where there is nothing."""
    if depth > MOST_LINKS:
        raise InputError(f"{where}: expected at most {MOST_LINKS} links; received a loop")
    here: h5py.HLObject | None = group.file if place.startswith("/") else group
    for name in (part for part in place.split("/") if part not in ("", ".")):
        if not isinstance(here, h5py.Group):
            return None
        link = here.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise InputError(
                f"{where}: expected data in the file itself; received a link to {link.filename!r}"
            )
        if isinstance(link, h5py.SoftLink):
            here = _follow(here, where, link.path, depth=depth + 1)
        else:
            here = here[name] if link is not None else None
    return here


def _check_storage(dataset: h5py.Dataset, where: str) -> None:
    """Raise InputError where data lie elsewhere, or are not what they claim to be."""
    if dataset.external:
        raise InputError(
            f"{where}: expected data in the file itself; received external storage, which names "
            "data of other files: copy them into one file, or give the folder of the files"
        )
    stored = int(dataset.id.get_storage_size())
    claimed = dataset.size * dataset.dtype.itemsize if dataset.size else 0
    if claimed > max(UNCHECKED_BYTES, MOST_COMPRESSION * stored):
        raise InputError(
            f"{where}: expected data; received shape {dataset.shape} of which {stored} bytes are "
            "stored"
        )
    if dataset.dtype.itemsize * math.prod(dataset.chunks or (0,)) > LARGEST_CHUNK:
        raise InputError(
            f"{where}: expected chunks of at most {LARGEST_CHUNK} bytes, since each is read whole; "
            f"received {dataset.chunks} of {dataset.dtype}"
        )


# The guard. A question to it is a line of JSON, [path], [path, dataset] or [path, object,
# attribute]; so is its answer: null where all of the file was opened, else the texts of the dataset
# or attribute, or {"raised": why not}.

_guard_lock = Lock()
_guards: dict[int, subprocess.Popen[str]] = {}  # by the process that started it: forks start more


def _ask_guard(path: str | Path, *place: str) -> Any:
    """Answer of the guard; raise InputError where it ended on the question."""
    question = json.dumps([str(Path(path).absolute()), *place])
    answer = ""
    with _guard_lock:
        guard = _guards.get(os.getpid())
        if guard is not None and guard.poll() is not None:  # a signal to all processes ended it
            _end_guard()
            guard = None
        guard = guard or _start_guard()
        stdin, stdout = cast(IO[str], guard.stdin), cast(IO[str], guard.stdout)
        try:
            with suppress(BrokenPipeError):
                stdin.write(question + "\n")
                answer = stdout.readline()
        finally:
            if not answer:  # also where this was interrupted: it would be taken for the next one
                _end_guard()
    if answer:
        return json.loads(answer)
    if guard.returncode == -signal.SIGALRM:
        raise InputError(f"{path}: damaged: HDF5 gives no answer within {GUARD_SECONDS:g} s")
    raise InputError(f"{path}: damaged: HDF5 ended with exit code {guard.returncode} on it")


def begin_guard() -> None:
    """Start the guard, which takes its time, for somebody who will open a file soon."""
    with _guard_lock:
        if os.getpid() not in _guards:
            _start_guard()


def _start_guard() -> subprocess.Popen[str]:
    # This very pix2z, wherever it was imported from; -P: no module of the working folder.
    code = "import sys; sys.path.insert(0, sys.argv[1]); from pix2z.hdf5 import _guard; _guard()"
    guard = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(Path(__file__).parents[1]), str(GUARD_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    _guards[os.getpid()] = guard
    return guard


@atexit.register
def _end_guard() -> None:
    guard = _guards.pop(os.getpid(), None)
    if guard is not None:
        guard.kill()
        guard.communicate()


def _guard() -> None:
    """Be the guard: answer questions, and die of SIGALRM where one takes too long."""
    with suppress(ImportError, ValueError, OSError):  # not every system limits it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (GUARD_MEMORY, resource.RLIM_INFINITY))
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # ends the process even within a call of HDF5
    for line in sys.stdin:
        path, *place = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))
        answer = None
        if place:
            answer = _variable_texts(path, *place)
        else:  # whatever is raised, the file's reader will meet and tell
            with suppress(Exception), h5py.File(path, "r") as file:
                _open_members(file, seen=set(), until=time.monotonic() + LOOKING_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _open_members(group: h5py.Group, *, seen: set[int], until: float) -> None:
    """Open what is in a group and in its groups, each of them once; links are not followed."""
    with suppress(Exception):  # of names that cannot be read
        for name in group:
            with suppress(Exception):
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue
                member = group[name]
                address = h5py.h5o.get_info(member.id).addr
                if isinstance(member, h5py.Group) and address not in seen:
                    seen.add(address)
                    _open_members(member, seen=seen, until=until)
            if time.monotonic() > until:
                return


def _variable_texts(path: str, place: str, *name: str) -> Any:
    try:
        with h5py.File(path, "r") as file:
            held = file[place].attrs[name[0]] if name else file[place][...]
            values = np.asarray(held, object).reshape(-1)
        return [v if isinstance(v, str) else v.decode(errors="replace") for v in values]
    except Exception as error:
        return {"raised": str(error) or type(error).__name__}
