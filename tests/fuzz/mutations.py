"""Damage to files: what disks, downloads, editors and other people's writers do to them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Rng = np.random.Generator

EXTREMES = np.array([0, 1, 2**7, 2**15, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1], np.uint64)


def mutate(original: Path, target: Path, *, seed: int) -> None:
    """Write a damaged copy of a file, the same for the same seed."""
    rng = np.random.default_rng(seed)
    shutil.copyfile(original, target)
    is_hdf5 = original.suffix == ".h5"
    (damage_hdf5 if is_hdf5 and rng.random() < 0.5 else damage_bytes)(target, rng)


def damage_bytes(path: Path, rng: Rng) -> None:
    """Change bytes of a file in place, half of the time among the first 4 kB, where headers are."""
    content = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 4))):
        reach = min(len(content), 4096) if rng.random() < 0.5 else len(content)
        if reach >= 16:
            _damage_at(content, int(rng.integers(0, reach - 8)), rng)
    path.write_bytes(bytes(content))


def _damage_at(content: bytearray, at: int, rng: Rng) -> None:
    """Flip a bit, put an extreme number, blank, cut off, or take out some bytes."""
    kind = int(rng.integers(5))
    if kind == 0:
        content[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        size = int(rng.choice([2, 4, 8]))
        value = int(rng.choice(EXTREMES)) % 2 ** (8 * size)
        content[at : at + size] = value.to_bytes(size, "little")
    elif kind == 2:
        length = min(int(rng.integers(1, 4096)), len(content) - at)
        content[at : at + length] = bytes(length)
    elif kind == 3:
        del content[at:]
    else:
        del content[at : at + int(rng.integers(1, 512))]


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

ATTRIBUTE_VALUES = [b"\xff\xfe", np.zeros((3, 3)), "counts", h5py.Empty("S1"), -1e300]


def damage_hdf5(path: Path, rng: Rng) -> None:
    """Leave a file that is whole HDF5, and holds something else than it should."""
    with h5py.File(path, "r+") as file:
        keys: list[str] = []
        file.visit(lambda key: keys.append(key) if isinstance(file[key], h5py.Dataset) else None)
        for key in rng.choice(keys, int(rng.integers(1, 3)), replace=False).tolist():
            _damage_dataset(file, key, rng)


def _damage_dataset(file: h5py.File, key: str, rng: Rng) -> None:
    """Put other values in its place, remove it, make it huge, or make the attributes strange."""
    values = file[key][...]
    kind = int(rng.integers(3 + len(OTHER_VALUES)))
    if kind == 0:
        for name in ("unit", "source", "schema_version", "bands", "pixel_scale"):
            file.attrs[name] = ATTRIBUTE_VALUES[int(rng.integers(len(ATTRIBUTE_VALUES)))]
        return
    del file[key]
    if kind == 1:
        shape = (int(rng.choice([2**31, 2**40, 2**50])), *values.shape[1:])
        file.create_dataset(key, shape, values.dtype, chunks=(1, *shape[1:]))
    elif kind > 2:
        file[key] = OTHER_VALUES[str(rng.choice(list(OTHER_VALUES)))](values, rng)
