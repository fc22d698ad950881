import hashlib

import pytest

from pix2z.errors import InputError
from pix2z.files import files_of, total_digest


def make(folder, *names):
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_a_file_is_itself_whether_it_is_there_or_not(tmp_path):
    make(tmp_path, "raw.dat")
    for name in ("raw.dat", "gone.h5"):
        assert files_of(tmp_path / name) == (tmp_path / name,)


def test_a_folder_gives_its_files_by_name(tmp_path):
    make(tmp_path, "b.hdf5", "a.h5", "C.H5", "notes.txt", ".hidden.h5", ".partial-a.h5")
    (tmp_path / "sub.h5").mkdir()
    assert [file.name for file in files_of(tmp_path)] == ["C.H5", "a.h5", "b.hdf5"]


def test_a_folder_without_files_is_named(tmp_path):
    make(tmp_path, ".partial-a.h5", "readme.md")
    with pytest.raises(InputError, match=rf"{tmp_path}: expected a folder with files \.h5, \.hdf5"):
        files_of(tmp_path)


def test_different_kinds_of_files_are_named(tmp_path):
    make(tmp_path, "a.npz", "b.h5")
    with pytest.raises(InputError, match=r"expected files of one layout; received a\.npz and b\.h"):
        files_of(tmp_path)


def test_digest_of_one_file_is_its_own_and_of_several_depends_on_all(tmp_path):
    make(tmp_path, "a.h5", "b.h5")
    one, other = files_of(tmp_path)
    assert total_digest([one]) == hashlib.sha256(b"a.h5").hexdigest()
    both = total_digest([one, other])
    assert both == total_digest([one, other], [total_digest([one]), total_digest([other])])
    other.write_bytes(b"changed")
    assert total_digest([one, other]) != both
    other.write_bytes(b"b.h5")
    assert total_digest([one, other]) == both
    assert total_digest([one, other.rename(tmp_path / "c.h5")]) != both
