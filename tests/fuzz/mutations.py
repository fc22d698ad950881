"""Damage to files: what disks, downloads, editors and other people's writers do to them."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Rng = np.random.Generator
Damage = Callable[[Path, Rng], None]

MOST_VALUES = 10**7

EXTREMES = [0, 1, 2**7, 2**15, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def damage_bytes(path: Path, rng: Rng) -> None:
    """Change bytes of a file in place, half of the time among the first 4 kB, where headers are."""
    content = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 4))):
        reach = min(len(content), 4096) if rng.random() < 0.5 else len(content)
        if reach < 16:
            break
        _damaged(content, int(rng.integers(0, reach - 8)), rng)
    path.write_bytes(bytes(content))


def _flip(content: bytearray, at: int, rng: Rng) -> None:
    content[at] ^= 1 << int(rng.integers(8))


def _extreme(content: bytearray, at: int, rng: Rng) -> None:
    size = int(rng.choice([2, 4, 8]))
    value = int(rng.choice(np.array(EXTREMES, np.uint64))) % 2 ** (8 * size)
    content[at : at + size] = value.to_bytes(size, "little")


def _blank(content: bytearray, at: int, rng: Rng) -> None:
    length = min(int(rng.integers(1, 4096)), len(content) - at)
    content[at : at + length] = bytes(length)


def _truncate(content: bytearray, at: int, rng: Rng) -> None:
    del content[at:]


def _remove(content: bytearray, at: int, rng: Rng) -> None:
    del content[at : at + int(rng.integers(1, 512))]


BYTE_DAMAGE = [_flip, _extreme, _blank, _truncate, _remove]


def _damaged(content: bytearray, at: int, rng: Rng) -> None:
    BYTE_DAMAGE[int(rng.integers(len(BYTE_DAMAGE)))](content, at, rng)


def damage_hdf5(path: Path, rng: Rng) -> None:
    """Leave a file that is whole HDF5, and holds something else than it should."""
    with h5py.File(path, "r+") as file:
        keys: list[str] = []
        file.visit(lambda key: keys.append(key) if isinstance(file[key], h5py.Dataset) else None)
        for _ in range(int(rng.integers(1, 3))):
            key = str(rng.choice(keys))
            if _is_array(file, key):
                HDF5_DAMAGE[int(rng.integers(len(HDF5_DAMAGE)))](file, key, rng)


def _is_array(file: h5py.File, key: str) -> bool:
    """Whether there is still an array with rows to damage, and not one made huge before."""
    if not isinstance(file.get(key, getlink=True), h5py.HardLink):
        return False
    held = file[key]
    return isinstance(held, h5py.Dataset) and bool(held.shape) and held.size < MOST_VALUES


OTHER_VALUES: dict[str, Callable[[np.ndarray, Rng], object]] = {
    "words": lambda values, rng: np.array([b"\xff\xfe" * 3] * len(values)),
    "scalar": lambda values, rng: 3.0,
    "nothing": lambda values, rng: h5py.Empty("f4"),
    "no rows": lambda values, rng: values[:0],
    "one row more": lambda values, rng: np.concatenate([values, values[:1]]),
    "other axes": lambda values, rng: np.moveaxis(values, 0, -1),
    "a table": lambda values, rng: np.zeros(len(values), [("a", "f4"), ("b", "S5")]),
    "a dangling link": lambda values, rng: h5py.SoftLink(str(rng.choice(["/nowhere", "/"]))),
    "a link outside": lambda values, rng: h5py.ExternalLink("/etc/passwd", "/k"),
    "another type": lambda values, rng: np.zeros(values.shape, str(rng.choice(["c8", "?", "S3"]))),
    "not finite": lambda values, rng: np.full(values.shape, rng.choice([np.nan, np.inf, -1e38])),
}
"""What stands in the place of a dataset."""


def _replaced(file: h5py.File, key: str, rng: Rng) -> None:
    other = OTHER_VALUES[str(rng.choice(list(OTHER_VALUES)))](file[key][...], rng)
    del file[key]
    file[key] = other


def _missing(file: h5py.File, key: str, rng: Rng) -> None:
    del file[key]


def _huge(file: h5py.File, key: str, rng: Rng) -> None:
    shape = (int(rng.choice([2**31, 2**40, 2**50])), *file[key].shape[1:])
    dtype = file[key].dtype
    del file[key]
    file.create_dataset(key, shape, dtype, chunks=(1, *shape[1:]))


def _attributes(file: h5py.File, key: str, rng: Rng) -> None:
    for name in ("unit", "source", "schema_version", "bands", "pixel_scale"):
        value = [b"\xff\xfe", np.zeros((3, 3)), "counts", h5py.Empty("S1"), -1e300]
        file.attrs[name] = value[int(rng.integers(len(value)))]


HDF5_DAMAGE = [_missing, _huge, _attributes, *[_replaced] * len(OTHER_VALUES)]


def damage_npz(path: Path, rng: Rng) -> None:
    """Leave a file that is a whole zip, and holds something else than it should."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        compression = archive.infolist()[0].compress_type
    name = str(rng.choice(list(members)))
    members = NPZ_DAMAGE[int(rng.integers(len(NPZ_DAMAGE)))](members, name, rng)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member, content in members.items():
            archive.writestr(member, content)


Members = dict[str, bytes]


def _npy(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=True)
    return content.getvalue()


def _member_missing(members: Members, name: str, rng: Rng) -> Members:
    return {key: content for key, content in members.items() if key != name}


def _member_bytes(members: Members, name: str, rng: Rng) -> Members:
    content = bytearray(members[name])
    _damaged(content, int(rng.integers(0, 128)), rng)
    return {**members, name: bytes(content)}


def _member_objects(members: Members, name: str, rng: Rng) -> Members:
    return {**members, name: _npy(np.array([{"a": 1}, None], dtype=object))}


def _member_header(members: Members, name: str, rng: Rng) -> Members:
    """Rewrite the header of an array: another shape, order or type than its bytes have."""
    content = members[name]
    length = int.from_bytes(content[8:10], "little")
    header = content[10 : 10 + length]
    old, new = [
        (b"64", b"99"),
        (b"<f4", b"|O4"),
        (b"(", b"(9999999999, "),
        (b"'shape'", b"'shape"),
        (b"{", b"__import__('os').abort() or {"),
    ][int(rng.integers(5))]
    changed = header.replace(old, new, 1)
    size = len(changed).to_bytes(2, "little")
    return {**members, name: content[:8] + size + changed + content[10 + length :]}


NPZ_DAMAGE = [_member_missing, _member_bytes, _member_objects, _member_header]


def mutate(original: Path, target: Path, *, seed: int) -> None:
    """Write a damaged copy of a file, the same for the same seed."""
    rng = np.random.default_rng(seed)
    shutil.copyfile(original, target)
    inner = damage_npz if original.suffix == ".npz" else damage_hdf5
    (damage_bytes if rng.random() < 0.5 else inner)(target, rng)
