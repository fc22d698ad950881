"""Atomic writing, JSON, digests, and the raw files that a source names."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest

from pix2z.errors import InputError
from pix2z.files import (
    atomic_path,
    cache_folder,
    file_digest,
    files_of,
    left_out_of,
    read_json,
    read_text,
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
    assert [path.name for path in final.parent.iterdir()] == ["out.h5"]


def test_two_writers_of_one_file_never_meet(tmp_path):
    """Each finishes what it began; the file is that of the later one."""
    final = tmp_path / "out.csv"
    with atomic_path(final) as one:
        one.write_text("of one")
        with atomic_path(final) as other:
            other.write_text("of the other")
        assert final.read_text() == "of the other"
        assert one.read_text() == "of one"
    assert final.read_text() == "of one"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


WRITE_AND_DIE = """
import os, signal, sys
from pix2z.files import atomic_path

with atomic_path(sys.argv[1]) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_writer_removes_what_a_killed_one_left_and_nothing_else(tmp_path):
    final = tmp_path / "out.csv"
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(final)], check=False)
    (left,) = tmp_path.iterdir()
    elsewhere = left.with_name(re.sub("[0-9a-f]{8}", "0" * 8, left.name, count=1))
    elsewhere.write_text("of a machine whose processes nobody here knows")
    with atomic_path(tmp_path / "another.csv") as partial:
        partial.write_text("new")
    assert left.exists()
    with atomic_path(final) as running:
        running.write_text("new")
        assert not left.exists()
        with atomic_path(running) as within:  # of a writer that does the same
            within.write_text("new")
            assert within.name.count("partial") == 1
        with atomic_path(final) as partial:
            partial.write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {
        "out.csv",
        "another.csv",
        elsewhere.name,
    }


def test_a_link_is_written_through_unless_it_leads_to_a_protected_file(tmp_path):
    """DVC links to its cache, whose files are write-protected and shared."""
    (tmp_path / "disk").mkdir()
    for name in ("there", "not_yet", "cached"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "disk/there").write_text("old")
    (tmp_path / "disk/cached").write_text("of others, too")
    (tmp_path / "disk/cached").chmod(0o444)
    for name in ("there", "not_yet", "cached"):
        write_json(tmp_path / name, name)
        assert read_json(tmp_path / name) == name
    assert (tmp_path / "there").is_symlink()
    assert read_json(tmp_path / "disk/there") == "there"
    assert read_json(tmp_path / "disk/not_yet") == "not_yet"
    assert (tmp_path / "disk/cached").read_text() == "of others, too"
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {"there", "not_yet", "cached"}


def test_a_link_that_leads_in_a_circle_is_refused_and_kept(tmp_path):
    for name, target in (("one", "other"), ("other", "one"), ("itself", "itself")):
        (tmp_path / name).symlink_to(target)
    for name in ("one", "itself"):
        with pytest.raises(InputError, match=f"{name}: expected .*; it is a link that leads in a"):
            write_json(tmp_path / name, 1)
        assert (tmp_path / name).is_symlink()


def test_the_longest_name_that_a_file_may_have_can_be_written(tmp_path):
    for name in ("z" * 250 + ".csv", "ζ" * 125 + ".csv"):
        with atomic_path(tmp_path / name) as partial:
            assert partial.suffix == ".csv"
            partial.write_text("whole")
        assert (tmp_path / name).read_text() == "whole"


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match=r"file/a\.json: cannot be written \(.+\)$"):
        write_json(tmp_path / "file/a.json", 1)
    for name in ("", "pipe.json"):
        with pytest.raises(InputError, match=f"{name}: expected the name of a file"):
            write_json(tmp_path / name, 1)


HDF5_SAYS = (
    "Unable to synchronously create file (file write failed: time = Fri Nov 27 22:47:26 2026\n, "
    "filename = 'a', errno = 28, error message = 'No space left on device', buf = 0x56)"
)


@pytest.mark.parametrize(
    "error", [OSError(28, HDF5_SAYS), OSError(HDF5_SAYS), RuntimeError(HDF5_SAYS)]
)
def test_what_hdf5_says_of_a_full_disk_is_told_as_the_system_does(tmp_path, error):
    with (
        pytest.raises(InputError, match=r"/a\.h5: cannot be written \(No space left on device\)$"),
        atomic_path(tmp_path / "a.h5"),
    ):
        raise error


def test_a_file_that_is_read_meanwhile_is_not_blamed_on_the_one_that_is_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"input\.h5"), atomic_path(tmp_path / "out.h5"):
        (tmp_path / "input.h5").read_bytes()


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
    with pytest.raises(InputError, match=r"nothing\.txt"), atomic_path(tmp_path / "nothing.txt"):
        pass


def test_json_roundtrip_and_its_last_line(tmp_path):
    value = {"σ": [1, 2.5, None, True], "nested": {"name in bytes": "\udcff.h5"}}
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
    path.write_bytes(b'"caf\xe9"')
    with pytest.raises(InputError, match=r"v\.json: expected text in UTF-8 "):
        read_json(path)


def test_a_pipe_is_read_where_somebody_writes_and_never_waited_for(tmp_path):
    pipe = tmp_path / "list.csv"
    os.mkfifo(pipe)
    assert read_text(pipe) == ""
    with subprocess.Popen([sys.executable, "-c", "print('a' * 100_000)"], stdout=-1) as writer:
        assert len(read_text(f"/dev/fd/{writer.stdout.fileno()}")) == 100_001
    with pytest.raises(InputError, match=r"list\.csv: expected a file or a folder; it is a pipe"):
        files_of(pipe)


def test_the_cache_is_that_of_the_user_or_lies_with_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine/pix2z"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a/.cache/pix2z"
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    nobodys = Path(gettempdir(), f"pix2z-{os.getuid()}")
    assert cache_folder() == nobodys
    monkeypatch.delenv("HOME")

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert cache_folder() == nobodys


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
    assert left_out_of(tmp_path) == "notes.txt, sub.h5"
    make(tmp_path, *(f"{number:02}.txt" for number in range(20)))
    assert left_out_of(tmp_path).endswith("09.txt, 12 more")
    assert left_out_of(tmp_path / "a.h5") == ""


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
