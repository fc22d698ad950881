import zipfile
import zlib

import h5py
import numpy as np
import pytest

from pix2z.errors import InputError, IntegrityError
from pix2z.hdf5 import integer_attribute, open_hdf5, reading, text_attribute
from pix2z.ingest.source import open_source as open_raw

RAISED = [
    OSError("disk\nfull"),
    RuntimeError("filter"),
    NotImplementedError("compression"),
    KeyError("no link"),
    IndexError("out"),
    ValueError("shape"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "start byte"),
    TypeError("no native type"),
    AttributeError("name"),
    MemoryError(),
    OverflowError("too large"),
    EOFError("early"),
    zipfile.BadZipFile("crc"),
    zlib.error("code"),
]


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)
def test_whatever_is_raised_becomes_one_line(raised):
    with pytest.raises(InputError) as caught, reading("raw.h5", "images: rows 3 to 9"):
        raise raised
    message = str(caught.value)
    assert message.startswith("raw.h5: images: rows 3 to 9: cannot be read (")
    assert type(raised).__name__ in message
    assert "\n" not in message
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize("ours", [InputError("a"), IntegrityError("b"), AssertionError("c")])
def test_our_own_errors_and_defects_pass(ours):
    with pytest.raises(type(ours)) as caught, reading("raw.h5"):
        raise ours
    assert caught.value is ours


def test_what_cannot_be_opened_is_named(tmp_path):
    path = tmp_path / "raw.h5"
    for content, words in ((None, "no such file"), (b"hello", "damaged or not HDF5")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=rf"raw\.h5: cannot be opened: {words}"):
            open_hdf5(path).__enter__()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\n lines", "two lines"),
        (b"bytes \xff", "bytes"),
        (np.bytes_("numpy"), "numpy"),
        (np.array(["one"], object), "one"),
        (np.array(b"scalar"), "scalar"),
        ("\x1b[31mred", "[31mred"),
        ("x" * 5000, "x" * 1000),
        ("", None),
        (3.5, None),
        (np.arange(3), None),
        (np.array([["one"]], object), None),
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
    with h5py.File(path, "w") as file:
        file.attrs["source"] = "a test"
        stored = file.attrs.get_id("source").get_type()
        assert isinstance(stored, h5py.h5t.TypeStringID)
    whole = path.read_bytes()
    variable_text = bytes([0x19, 0x01, 0x01, 0x00, 0x10])  # class 9, text, UTF-8, 16 bytes
    assert whole.count(variable_text) == 1
    path.write_bytes(whole.replace(variable_text, bytes([0x19, 0x00, 0x01, 0x00, 0x10])))
    with open_hdf5(path) as file:
        assert isinstance(file.attrs.get_id("source").get_type(), h5py.h5t.TypeVlenID)
        assert text_attribute(file, "source", path) is None


@pytest.mark.parametrize(("value", "number"), [(3, 3), (np.uint8(7), 7), ([5], 5), (2.0, None)])
def test_number_of_an_attribute(tmp_path, value, number):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.attrs["version"] = value
        assert integer_attribute(file, "version", "raw.h5") == number
        assert integer_attribute(file, "other", "raw.h5") is None


def small_file(path):
    """A raw file of 8 galaxies, all optional keys there, images compressed."""
    rng = np.random.default_rng(5)
    with h5py.File(path, "w") as file:
        file.attrs.update(source="a test", unit="nanomaggies")
        images = rng.normal(size=(8, 5, 32, 32)).astype("f4")
        file.create_dataset("images", data=images, chunks=(4, 5, 32, 32), compression=1)
        for key in ("ra", "dec", "e_bv", "specz_redshift", "specz_redshift_err"):
            file[key] = rng.uniform(0, 1, 8)
        file["ObjID"] = np.arange(8)
        file["truth/parent"] = np.arange(8)
        file["truth/moved"] = np.zeros(8, "u1")
        file["truth/psf_fwhm"] = np.ones((8, 5), "f4")


def refusal(path):
    """Read everything; what the error says, or nothing."""
    try:
        with open_raw(path, layout="sdss32") as survey:
            survey.read_images(0, len(survey.table))
    except InputError as error:
        return str(error)
    return ""


def test_damage_at_any_place_is_one_line(tmp_path):
    path = tmp_path / "raw.h5"
    small_file(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(8)
    with h5py.File(path) as file:  # damage what describes the data more often than the data
        chunks = [file["images"].id.get_chunk_info(k) for k in range(2)]
    places = np.ones(len(whole))
    for chunk in chunks:
        places[chunk.byte_offset : chunk.byte_offset + chunk.size] = 0.002
    said = []
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.choice(len(whole), rng.integers(1, 4), p=places / places.sum()):
            damaged[at] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        said.append(refusal(path))
    refused = [line for line in said if line]
    assert len(refused) > 50
    assert all(str(path) in line and "\n" not in line for line in refused)
