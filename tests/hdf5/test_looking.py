"""Files on which HDF5 itself never comes back, each read in a process with a time limit.

Should the remedy fail, that process is ended and the test fails, instead of hanging too.
"""

import json
import os
import signal
import struct
import subprocess
import sys

import h5py
import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.hdf5 import looking
from pix2z.hdf5 import open_hdf5, text_attribute

LIMIT = 100
"""Seconds for a reading that may hang; it is over in about 5."""

READ = """
import json, sys
from pix2z.ingest.inspection import file_contents
from pix2z.ingest.source import detect_layout, open_source
from pix2z.errors import InputError
from pix2z.hdf5 import looking

looking.SECONDS = 1.0
said = []
for read in (
    detect_layout,
    lambda path: open_source(path, layout="sdss32").__enter__(),
    file_contents,
):
    try:
        read(sys.argv[1])
    except InputError as error:
        said.append(str(error))
print(json.dumps(said))
"""

N = 3


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


def overflow(content):
    """Give the heap's first object a size that leads around 2**64, back to where it lies."""
    first = content.index(b"GCOL") + 16
    content[first + 8 : first + 16] = struct.pack("<Q", 2**64 - 16)


def ask_for_4_gib(content):
    """Let the attribute say that its text, the second in the heap, has 2**32 - 1 bytes."""
    reference = struct.pack("<IQI", len("nanomaggy"), content.index(b"GCOL"), 2)
    assert content.count(reference) == 1
    at = content.index(reference)
    content[at : at + 4] = b"\xff" * 4


def read_with_a_limit(path):
    """What `InputError` says where a file is opened in three ways, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", READ, path], timeout=LIMIT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("write", "damage"),
    [
        (write_texts, end_nowhere),
        (write_texts, overflow),
        (write_texts, ask_for_4_gib),
        (write_virtual, end_nowhere),
        (write_virtual, overflow),
    ],
)
def test_where_hdf5_hangs_one_line_says_so(tmp_path, write, damage):
    path = tmp_path / "raw.h5"
    write(path)
    whole = path.read_bytes()
    assert read_with_a_limit(path) == []
    content = bytearray(whole)
    damage(content)
    path.write_bytes(bytes(content))
    said = read_with_a_limit(path)
    assert len(said) >= 2
    for line in said:
        assert line.startswith(f"{path}: ")
        assert "damaged: HDF5 gives no answer within 1 s" in line or "cannot be read" in line
        assert "\n" not in line


def test_the_process_is_the_same_for_all_files_and_replaced_where_it_ends(tmp_path):
    path = tmp_path / "raw.h5"
    write_texts(path)
    for _ in range(2):
        looking.look_at(path)
    process = looking._started[os.getpid()]
    process.send_signal(signal.SIGKILL)
    with pytest.raises(InputError, match=r"raw\.h5: damaged: HDF5 ended with exit code -9 on it"):
        looking.look_at(path)
    with open_hdf5(path) as file:
        assert text_attribute(file["images"], "unit", path) == "nanomaggy"
    assert looking._started[os.getpid()] is not process


def test_an_answer_is_never_taken_for_the_next_one(tmp_path, monkeypatch):
    path = tmp_path / "raw.h5"
    write_texts(path)
    looking.look_at(path)
    process = looking._started[os.getpid()]

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(process.stdout, "readline", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        looking.variable_text(path, "/", "source")
    monkeypatch.undo()
    assert looking.variable_text(path, "/images", "unit") == "nanomaggy"
