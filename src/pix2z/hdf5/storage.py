"""Finding datasets in HDF5 files without trusting them.

What is found lies in the file or its folder, and holds what it claims to hold.
"""

from pathlib import Path

import h5py

from pix2z.errors import InputError
from pix2z.hdf5.opening import open_hdf5, plain, reading

__all__ = ["find_dataset", "has_key", "keys_of"]

MOST_LINKS = 16
"""Soft links followed to one dataset, and virtual datasets within each other."""

MOST_COMPRESSION = 4096
"""Claimed over stored bytes; deflate reaches 1032 at most."""

UNCHECKED_BYTES = 1 << 26
"""A dataset that claims to be no larger than this may be stored as it likes."""

LARGEST_CHUNK = 1 << 30
"""Bytes; a chunk is read whole."""

LISTED_KEYS = 20


def find_dataset(file: h5py.File, path: str | Path, key: str) -> h5py.Dataset:
    """Dataset of that name, which may be nested ("cat/z"), safe to read.

    Raises
    ------
    InputError
        There is none; it lies in another file, unless it is virtual and all its sources lie in the
        folder of this one; or it claims to hold far more than is stored.
    """
    with reading(path, key):
        found = _follow(file, f"{path}: {key}", key, depth=0)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{path}: key {key!r} is missing; the file has {keys_of(file, path)}")
    with reading(path, key):
        stored = _stored_bytes(found, Path(path), key, depth=0)
        _check_sizes(found, path, key, stored)
    return found


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


def _stored_bytes(dataset: h5py.Dataset, path: Path, key: str, *, depth: int) -> int:
    """Bytes on disk of a dataset, or of all that a virtual one is made of."""
    if dataset.external:
        raise InputError(
            f"{path}: {key}: expected data in the file itself; received external storage in "
            f"{str(dataset.external[0][0])!r}"
        )
    if not dataset.is_virtual:
        return int(dataset.id.get_storage_size())
    if depth > MOST_LINKS:
        raise InputError(f"{path}: {key}: expected at most {MOST_LINKS} nested virtual datasets")
    sources = {(source.file_name, source.dset_name) for source in dataset.virtual_sources()}
    return sum(
        _source_bytes(dataset, path, key, name, place, depth=depth + 1)
        for name, place in sorted(sources)
    )


def _source_bytes(
    dataset: h5py.Dataset, path: Path, key: str, name: str, place: str, *, depth: int
) -> int:
    if name == ".":
        source = _follow(dataset.file, f"{path}: {key}", place, depth=0)
        return _stored_bytes(source, path, key, depth=depth) if _is_data(source) else 0
    beside = path.parent / name
    if Path(name).name != name or beside.is_symlink() or not beside.is_file():
        raise InputError(
            f"{path}: {key}: expected every source of a virtual dataset to be a file in "
            f"{path.parent}; received {name!r}"
        )
    with open_hdf5(beside) as other:
        source = _follow(other, f"{beside}: {key}", place, depth=0)
        return _stored_bytes(source, beside, key, depth=depth) if _is_data(source) else 0


def _is_data(found: h5py.HLObject | None) -> bool:
    return isinstance(found, h5py.Dataset)


def _check_sizes(dataset: h5py.Dataset, path: str | Path, key: str, stored: int) -> None:
    claimed = dataset.size * dataset.dtype.itemsize if dataset.size else 0
    if claimed > max(UNCHECKED_BYTES, MOST_COMPRESSION * stored):
        raise InputError(
            f"{path}: {key}: expected data; received shape {dataset.shape} of which "
            f"{stored} bytes are stored"
        )
    if dataset.chunks is not None:
        chunk = dataset.dtype.itemsize
        for length in dataset.chunks:
            chunk *= length
        if chunk > LARGEST_CHUNK:
            raise InputError(
                f"{path}: {key}: expected chunks of at most {LARGEST_CHUNK} bytes, since each is "
                f"read whole; received {dataset.chunks} of {dataset.dtype}"
            )
