import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from pix2z.errors import InputError
from pix2z.ingest.npz import open_member


def save(path, members, *, compression=zipfile.ZIP_STORED):
    """Write name -> bytes as a zip."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy_bytes(array, *, version=None, pickled=False):
    out = io.BytesIO()
    npy.write_array(out, array, version=version, allow_pickle=pickled)
    return out.getvalue()


def header_bytes(shape, descr="<f4", *, fortran=False, body=b""):
    """An .npy file whose header may lie."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}\n".encode()
    return npy.magic(1, 0) + struct.pack("<H", len(text)) + text + body


@pytest.fixture
def path(tmp_path):
    return tmp_path / "raw.npz"


@pytest.mark.parametrize(("compressed", "version"), [(0, (1, 0)), (1, (2, 0)), (1, (3, 0))])
def test_rows_in_any_order(path, compressed, version):
    array = np.random.default_rng(1).normal(size=(50, 6, 4, 2)).astype(">f8")
    how = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    members = {"first.npy": npy_bytes(np.ones(7)), "x.npy": npy_bytes(array, version=version)}
    save(path, members, compression=how)
    with open_member(path, "x") as member:
        assert member.shape == array.shape
        for start, stop in [(0, 50), (10, 20), (3, 4), (49, 50), (0, 1), (7, 7)]:
            part = member[start:stop, 2:5]
            np.testing.assert_array_equal(part, array[start:stop, 2:5])


@pytest.mark.parametrize("compressed", [False, True])
def test_memory_is_that_of_the_rows(path, compressed):
    array = np.random.default_rng(2).integers(0, 9, (1000, 64, 128), dtype=np.uint8)  # 8 MB
    (np.savez_compressed if compressed else np.savez)(path, x=array)
    tracemalloc.start()
    with open_member(path, "x") as member:
        for start in range(0, 1000, 100):
            assert member[start : start + 100, 16:48].shape == (100, 32, 128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def test_zip64_members_are_found(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in {"first.npy": np.ones(9), "x.npy": np.arange(5.0)}.items():
            with archive.open(name, "w", force_zip64=True) as out:
                npy.write_array(out, array)
    with open_member(path, "x") as member:
        np.testing.assert_array_equal(member[1:4,], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy_bytes(np.array([{}, []], object), pickled=True), "holds Python objects"),
        (header_bytes((3,), [("z", "<f4"), ("o", "|O")], body=bytes(60)), "holds Python objects"),
        (header_bytes((2**62, 2**62), body=bytes(8)), "header claims"),
        (header_bytes((1,), body=bytes(8)), r"header claims \(1,\) of float32, 4 bytes; 8 are"),
        (header_bytes((10**12,), "|S0", body=b""), "expected rows; received shape"),
        (header_bytes((), body=bytes(4)), r"expected rows; received shape \(\)"),
        (header_bytes((2,), "<f3", body=bytes(8)), "cannot be read"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "cannot be read"),
        (b"", "cannot be read"),
        (npy.magic(2, 0) + struct.pack("<I", 2**32 - 1), "cannot be read"),
    ],
)
@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_headers_are_not_believed(path, content, words, how):
    save(path, {"x.npy": content}, compression=how)
    with pytest.raises(InputError, match=words) as caught, open_member(path, "x"):
        pass
    assert str(caught.value).startswith(f"{path}: x: ")
    assert "\n" not in str(caught.value)


def test_other_compressions_are_named(path):
    save(path, {"x.npy": npy_bytes(np.ones(3))}, compression=zipfile.ZIP_BZIP2)
    with pytest.raises(InputError, match="expected an array stored or deflated"):
        open_member(path, "x").__enter__()


def test_a_zip_bomb_is_refused_unread(path):
    content = header_bytes((2**24,), "|u1", body=bytes(2**24))
    save(path, {"x.npy": content}, compression=zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    assert len(whole) < 2**20
    lying = whole.replace(struct.pack("<I", len(content)), struct.pack("<I", 2**32 - 2))
    path.write_bytes(lying)
    with pytest.raises(InputError, match=r"x: claims 4294967294 bytes"):
        open_member(path, "x").__enter__()


def test_a_missing_array_and_a_missing_file_are_named(path):
    save(path, {"y.npy": npy_bytes(np.ones(2))})
    with pytest.raises(InputError, match=r"array 'x' is missing; the file has y$"):
        open_member(path, "x").__enter__()
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        open_member(path, "x").__enter__()


def test_pixels_that_fail_their_checksum_are_named(path):
    array = np.random.default_rng(3).integers(0, 4, (64, 64, 64), dtype=np.uint8)
    np.savez_compressed(path, x=array)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with (
        open_member(path, "x") as member,
        pytest.raises(InputError, match=r"raw\.npz: x: rows 0 to 64: cannot be read"),
    ):
        member[0:64,]
