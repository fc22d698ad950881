"""Atomic writing, JSON, digests, and the raw files that a source names."""

import hashlib
import json

import pytest

from pix2z.errors import InputError
from pix2z.files import (
    atomic_path,
    file_digest,
    files_of,
    read_json,
    text_digest,
    total_digest,
    write_json,
)


def test_atomic_path_leaves_the_whole_file_and_nothing_else(tmp_path):
    final = tmp_path / "new" / "out.h5"
    with atomic_path(final) as partial:
        partial.write_text("whole")
        assert not final.exists()
        assert (partial.suffix, partial.parent) == (".h5", final.parent)
    assert final.read_text() == "whole"
    partial.write_text("what a killed process left")
    with atomic_path(final) as again:
        assert not again.exists()
        again.write_text("new")
    assert final.read_text() == "new"
    assert [path.name for path in final.parent.iterdir()] == ["out.h5"]


def write_half_and_fail(path):
    with atomic_path(path) as partial:
        partial.write_text("half")
        raise RuntimeError("killed")


def test_atomic_path_keeps_the_old_file_when_writing_fails(tmp_path):
    final = tmp_path / "out.txt"
    final.write_text("old")
    with pytest.raises(RuntimeError, match="killed"):
        write_half_and_fail(final)
    assert final.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "nothing.txt"):
        pass


def test_json_roundtrip_and_its_last_line(tmp_path):
    value = {"σ": [1, 2.5, None, True], "nested": {"a": "b"}}
    write_json(tmp_path / "a" / "v.json", value)
    text = (tmp_path / "a" / "v.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "σ" in text
    assert read_json(tmp_path / "a" / "v.json") == json.loads(text) == value


def test_json_that_is_none_is_refused_by_name(tmp_path):
    path = tmp_path / "v.json"
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            write_json(path, {"a": number})
    with pytest.raises(InputError, match=r"v\.json: cannot be read"):
        read_json(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"v\.json: not valid JSON"):
        read_json(path)


def test_digests_are_sha256_of_a_file_and_of_closed_texts(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="cannot be read"):
        file_digest(tmp_path / "missing")
    assert text_digest("a", "b") == hashlib.sha256(b"a\0b\0").hexdigest()
    assert text_digest("ab") != text_digest("a", "b") != text_digest("", "ab")


# Raw files


def make(folder, *names):
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_a_file_is_itself_and_a_folder_its_files_by_name(tmp_path):
    make(tmp_path, "b.hdf5", "a.h5", "C.H5", "notes.txt", ".hidden.h5", ".partial-a.h5")
    (tmp_path / "sub.h5").mkdir()
    for name in ("notes.txt", "gone.h5"):
        assert files_of(tmp_path / name) == (tmp_path / name,)
    assert [file.name for file in files_of(tmp_path)] == ["C.H5", "a.h5", "b.hdf5"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((".partial-a.h5", "readme.md"), r"expected a folder with files \.h5, \.hdf5"),
        (("a.npz", "b.h5"), r"expected files of one layout; received a\.npz and b\.h"),
    ],
)
def test_a_folder_without_files_or_of_two_kinds_is_named(tmp_path, names, words):
    make(tmp_path, *names)
    with pytest.raises(InputError, match=f"{tmp_path}: {words}"):
        files_of(tmp_path)


def test_digest_of_one_file_is_its_own_and_of_several_depends_on_names_and_bytes(tmp_path):
    make(tmp_path, "a.h5", "b.h5")
    one, other = files_of(tmp_path)
    assert total_digest([one]) == hashlib.sha256(b"a.h5").hexdigest()
    both = total_digest([one, other])
    assert both == total_digest([one, other], [total_digest([one]), total_digest([other])])
    other.write_bytes(b"changed")
    assert total_digest([one, other]) != both
    other.write_bytes(b"b.h5")
    assert total_digest([one, other.rename(tmp_path / "c.h5")]) != both
