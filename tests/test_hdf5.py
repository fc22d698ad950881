"""What a file of others says of itself is not believed, and damage is one line, never a hang."""

import json
import os
import struct
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest

from pix2z import hdf5
from pix2z.errors import InputError
from pix2z.hdf5 import (
    find_dataset,
    has_key,
    open_hdf5,
    reading,
    text_attribute,
    virtual_files,
)

LIMIT = 100
"""Seconds for a reading that may hang; it is over in about 8."""

N = 3


@pytest.fixture
def write(tmp_path):
    """Return a function that writes key -> array as HDF5."""

    def write_file(keys, *, name="raw.h5"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            for key, values in keys.items():
                file[key] = values
        return path

    return write_file


def find(path, key):
    """Values of a dataset."""
    with open_hdf5(path) as file:
        return find_dataset(file, path, key)[...]


# The guard.


def write_texts(path):
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(1).normal(size=(N, 5, 32, 32)).astype("f4")
        file.attrs["source"] = "a test"
        file["images"].attrs["unit"] = "nanomaggy"


def write_virtual(path):
    with h5py.File(path, "w", libver="v110") as file:
        file["a/b"] = np.ones((N, 5, 32, 32), "f4")
        layout = h5py.VirtualLayout((N, 5, 32, 32), "f4")
        for row in range(N):
            layout[row] = h5py.VirtualSource(".", "a/b", (N, 5, 32, 32))[row]
        file.create_virtual_dataset("images", layout)


def end_nowhere(content):
    """Make the heap's first object free space of 0 bytes: the next one is itself."""
    first = content.index(b"GCOL") + 16
    content[first : first + 16] = bytes(16)


def ask_for_4_gib(content):
    """Let the attribute say that its text, the second in the heap, has 2**32 - 1 bytes."""
    reference = struct.pack("<IQI", len("nanomaggy"), content.index(b"GCOL"), 2)
    assert content.count(reference) == 1
    at = content.index(reference)
    content[at : at + 4] = b"\xff" * 4


READ_ALL = """
import json, sys
from pix2z import hdf5
from pix2z.errors import InputError
from pix2z.ingest.source import open_source

hdf5.GUARD_SECONDS = 1.0
said = {}
for path in sys.argv[1:]:
    try:
        with open_source(path) as survey:
            said[path] = f"{len(survey.table)} rows"
    except InputError as error:
        said[path] = str(error)
print(json.dumps(said))
"""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"SIMPLE  =                    T" + b" " * 2850, "expected HDF5; received a FITS file"),
        (b"\x1f\x8b\x08\x00", "expected HDF5; received a gzip file; unpack it first"),
        (b"<!DOCTYPE html>", "expected HDF5; received a page of HTML or XML"),
        (b"version https://git-lfs.github.com/", "expected HDF5; received a pointer of Git LFS"),
        (b"\x89HDF\r\n\x1a\n", "cannot be opened: damaged or not HDF5"),
        (b"", "expected HDF5; received an empty file"),
        (b"ra,dec\r\n1.5,2\n", "expected HDF5; received text"),
    ],
)
def test_another_format_is_told_from_damage(tmp_path, content, words):
    path = tmp_path / "cubes.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"cubes.h5: {words}"), open_hdf5(path):
        pass


def test_where_hdf5_hangs_one_line_says_so(tmp_path):
    """In a process with a limit: should the remedy fail, it is ended instead of hanging too."""
    whole, damaged = [tmp_path / "texts.h5", tmp_path / "virtual.h5"], []
    write_texts(whole[0])
    write_virtual(whole[1])
    for path, damage in (
        (whole[0], end_nowhere),
        (whole[0], ask_for_4_gib),
        (whole[1], end_nowhere),
    ):
        content = bytearray(path.read_bytes())
        damage(content)
        damaged.append(tmp_path / f"{path.stem}-{damage.__name__}.h5")
        damaged[-1].write_bytes(content)
    command = [sys.executable, "-c", READ_ALL, *whole, *damaged]
    done = subprocess.run(command, timeout=LIMIT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said[str(whole[0])] == "3 rows"
    assert "expected a virtual dataset of files beside it; received '.'" in said[str(whole[1])]
    lines = [said[str(path)] for path in damaged]
    assert all(line.startswith(f"{path}: ") for path, line in zip(damaged, lines, strict=True))
    assert not any("\n" in line for line in lines)
    assert sum("damaged: HDF5 gives no answer within 1 s" in line for line in lines) >= 2, lines
    assert all("no answer within" in line or "cannot be read" in line for line in lines), lines


def test_the_guard_is_one_for_all_files_and_replaced_where_it_ended(tmp_path, monkeypatch):
    path = tmp_path / "raw.h5"
    write_texts(path)
    guards = []
    for _ in range(3):
        for _ in range(2):
            with open_hdf5(path) as file:
                assert text_attribute(file["images"], "unit", path) == "nanomaggy"
            guards.append(hdf5._guards[os.getpid()])
        guards[-1].kill()
        guards[-1].wait()
        if len(guards) == 2:  # ended while it was asked
            monkeypatch.setattr(guards[-1], "poll", lambda: None)
            with pytest.raises(InputError, match=r"raw\.h5: damaged: HDF5 ended with exit code -9"):
                open_hdf5(path).__enter__()
    assert [guards.index(guard) for guard in guards] == [0, 0, 2, 2, 4, 4]


def test_an_answer_is_never_taken_for_the_next_one(tmp_path, monkeypatch):
    path = tmp_path / "raw.h5"
    write_texts(path)
    with open_hdf5(path) as file:

        def interrupted():
            raise KeyboardInterrupt

        monkeypatch.setattr(hdf5._guards[os.getpid()].stdout, "readline", interrupted)
        with pytest.raises(KeyboardInterrupt):
            text_attribute(file, "source", path)
        monkeypatch.undo()
        assert text_attribute(file["images"], "unit", path) == "nanomaggy"


def test_the_guard_imports_nothing_of_pix2z_but_errors():
    code = "import sys, pix2z.hdf5; print(*[m for m in sys.modules if m[:5] in ('pix2z', 'astro')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(said.stdout.split()) == ["pix2z", "pix2z.errors", "pix2z.hdf5"]


# Errors and attributes.


@pytest.mark.parametrize(
    "raised",
    [OSError("disk\nfull"), KeyError("no link"), MemoryError(), zlib.error("code")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_is_raised_becomes_one_line(raised):
    with pytest.raises(InputError) as caught, reading("raw.h5", "images: rows 3 to 9"):
        raise raised
    message = str(caught.value)
    assert message.startswith("raw.h5: images: rows 3 to 9: cannot be read (")
    assert type(raised).__name__ in message
    assert "\n" not in message


def test_our_own_errors_and_defects_pass():
    for ours in (InputError("a"), AssertionError("c")):
        with pytest.raises(type(ours)) as caught, reading("raw.h5"):
            raise ours
        assert caught.value is ours


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\n lines", "two lines"),
        (b"bytes \xff", "bytes"),
        (np.array(["one"], object), "one"),
        ("\x1b[31mred", "[31mred"),
        ("x" * 5000, "x" * 1000),
        (3.5, None),
        (h5py.Empty("S4"), None),
    ],
)
def test_text_of_an_attribute(tmp_path, value, text):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.attrs["note"] = value
    with open_hdf5(path) as file:
        assert text_attribute(file, "note", path) == text
        assert text_attribute(file, "other", path) is None


def test_text_that_claims_to_be_a_sequence_is_never_read(tmp_path):
    """HDF5 ends the process where it follows such a reference."""
    path = tmp_path / "raw.h5"
    write_texts(path)
    with h5py.File(path, "a") as file:
        del file["images"].attrs["unit"]
    variable_text = bytes([0x19, 0x01, 0x01, 0x00, 0x10])  # class 9, text, UTF-8, 16 bytes
    content = path.read_bytes()
    assert content.count(variable_text) == 1
    path.write_bytes(content.replace(variable_text, bytes([0x19, 0x00, 0x01, 0x00, 0x10])))
    with open_hdf5(path) as file:
        assert isinstance(file.attrs.get_id("source").get_type(), h5py.h5t.TypeVlenID)
        assert text_attribute(file, "source", path) is None


# Where data lie, and how much there are.


def test_soft_links_within_the_file_are_followed(write):
    path = write({"cat/deep/z": np.arange(3)})
    links = {"here": "/cat/deep", "cat/there": "deep/z", "direct": "here/z", "gone": "/nothing"}
    with h5py.File(path, "a") as file:
        for name, target in (links | {"loop": "/pool", "pool": "/loop"}).items():
            file[name] = h5py.SoftLink(target)
    for key in ("cat/there", "direct", "./cat//deep/z"):
        np.testing.assert_array_equal(find(path, key), np.arange(3))
    with pytest.raises(InputError, match=r"raw\.h5: loop: .* received a loop"):
        find(path, "loop")
    for key in ("gone", "cat", "cat/deep/z/deeper", "/"):
        with pytest.raises(InputError, match="is missing; the file has cat, direct"):
            find(path, key)


@pytest.mark.parametrize("key", ["link", "group/z", "soft"])
def test_a_link_into_another_file_is_refused(write, key):
    write({"z": np.arange(3), "g/z": np.arange(3)}, name="other.h5")
    path = write({"images": np.arange(3)})
    with h5py.File(path, "a") as file:
        file["link"] = h5py.ExternalLink("other.h5", "/z")
        file["group"] = h5py.ExternalLink("other.h5", "/g")
        file["soft"] = h5py.SoftLink("/link")
    expected = rf"{path}: {key}: expected data in the file itself; received a link to 'other\.h5'"
    with pytest.raises(InputError, match=expected):
        find(path, key)
    with pytest.raises(InputError, match=expected), open_hdf5(path) as file:
        has_key(file, path, key)


def test_data_that_lie_elsewhere_are_refused(write, tmp_path):
    (tmp_path / "bytes").write_bytes(bytes(96))
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("external", (4, 3), "f8", external=[(str(tmp_path / "bytes"), 0, 96)])
    with pytest.raises(
        InputError, match=r"raw\.h5: external: .*; received external storage, .* fold"
    ):
        find(path, "external")


def virtual(path, *sources, rows=4):
    """Write a virtual dataset of 4 rows of each source, of so many rows in all."""
    layout = h5py.VirtualLayout((rows, 3), np.float64)
    for number, source in enumerate(sources):
        layout[4 * number : 4 * number + 4] = source
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)


def test_a_virtual_dataset_is_made_of_files_beside_it(write, tmp_path):
    write({"x": np.arange(24.0).reshape(8, 3)}, name="near.h5")
    whole = h5py.VirtualSource("near.h5", "x", shape=(8, 3))
    virtual(tmp_path / "raw.h5", whole[4:], whole[:4], rows=8)
    with open_hdf5(tmp_path / "raw.h5") as file:
        found = find_dataset(file, tmp_path / "raw.h5", "x")
        assert (
            found[...].tolist() == np.arange(24.0).reshape(8, 3)[[4, 5, 6, 7, 0, 1, 2, 3]].tolist()
        )
        assert virtual_files(found, tmp_path / "raw.h5", "x") == (tmp_path / "near.h5",)


@pytest.mark.parametrize(
    ("name", "key", "shape", "rows", "words"),
    [
        ("../near.h5", "x", (4, 3), 4, "of files beside it; received '../near.h5'"),
        ("/near.h5", "x", (4, 3), 4, "of files beside it; received '/near.h5'"),
        (".", "x", (4, 3), 4, "of files beside it; received '.'"),
        ("none.h5", "x", (4, 3), 4, "none.h5: cannot be opened: no such file"),
        ("cut.h5", "x", (4, 3), 4, "cut.h5: cannot be opened: damaged"),
        ("near.h5", "y", (4, 3), 4, "expected data that are stored in .*near.h5, as 'y'"),
        ("virtual.h5", "x", (4, 3), 4, "expected data that are stored in .*virtual.h5"),
        (
            "near.h5",
            "x",
            (8, 3),
            4,
            r"expected more in near.h5 than there is: 'x' has shape \(4, 3",
        ),
        (
            "near.h5",
            "x",
            (4, 3),
            8,
            "expected all values of a virtual dataset in files; rec.*12 of 24",
        ),
    ],
)
def test_what_a_virtual_dataset_lacks_is_refused(write, tmp_path, name, key, shape, rows, words):
    """HDF5 reads zeros there, and says nothing."""
    near = write({"x": np.ones((4, 3))}, name="near.h5")
    (tmp_path / "cut.h5").write_bytes(near.read_bytes()[:100])
    virtual(tmp_path / "virtual.h5", h5py.VirtualSource("near.h5", "x", shape=(4, 3)))
    source = h5py.VirtualSource(name, key, shape=shape)
    virtual(tmp_path / "raw.h5", source[4:] if shape[0] > 4 else source, rows=rows)
    with pytest.raises(InputError, match=words):
        find(tmp_path / "raw.h5", "x")


def test_claims_far_beyond_what_is_stored_are_refused_and_compression_is_believed(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("chunked", (10**9, 5, 32, 32), "f4", chunks=(64, 5, 32, 32))
        file["chunked"][0] = 1.0
        options = {"chunks": (1 << 20,), "compression": 9}
        file.create_dataset("zeros", data=np.zeros(20_000_000, "f4"), **options)
        assert file["zeros"].id.get_storage_size() < 80_000_000 / 500
    with pytest.raises(InputError, match=r"chunked: expected data; received shape \(10{9}, 5, 32"):
        find(path, "chunked")
    assert find(path, "zeros").shape == (20_000_000,)


def test_a_chunk_that_would_be_read_whole_has_a_limit(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:  # not said to be much, but stored in one piece
        file.create_dataset("x", (10, 10), "f4", chunks=(1 << 16, 1 << 13), maxshape=(None, None))
    with pytest.raises(InputError, match="expected chunks of at most 1073741824 bytes"):
        find(path, "x")
