"""What a file says of itself is not believed: where its data lie, and how much there are."""

import h5py
import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.hdf5 import open_hdf5
from pix2z.hdf5 import find_dataset, has_key, keys_of
from pix2z.ingest.source import open_source as open_raw


def find(path, key):
    """Values of a dataset."""
    with open_hdf5(path) as file:
        return find_dataset(file, path, key)[...]


def virtual(path, sources, *, key="images", shape=(4, 3)):
    """Write a virtual dataset, one source after the other along the first axis."""
    layout = h5py.VirtualLayout((shape[0] * len(sources), *shape[1:]), np.float64)
    for number, (name, place) in enumerate(sources):
        rows = slice(number * shape[0], (number + 1) * shape[0])
        layout[rows] = h5py.VirtualSource(name, place, shape=shape)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(key, layout)


def test_soft_links_within_the_file_are_followed(write):
    path = write({"cat/deep/z": np.arange(3)})
    with h5py.File(path, "a") as file:
        file["here"] = h5py.SoftLink("/cat/deep")
        file["cat/there"] = h5py.SoftLink("deep/z")
        file["direct"] = h5py.SoftLink("here/z")
        file["loop"] = h5py.SoftLink("/pool")
        file["pool"] = h5py.SoftLink("/loop")
        file["gone"] = h5py.SoftLink("/nothing")
    for key in ("here/z", "cat/there", "direct", "/direct", "./cat//deep/z"):
        np.testing.assert_array_equal(find(path, key), np.arange(3))
    with pytest.raises(InputError, match=r"raw\.h5: loop: .* received a loop"):
        find(path, "loop")
    with pytest.raises(InputError, match="key 'gone' is missing"):
        find(path, "gone")


def test_a_group_or_a_path_through_a_dataset_is_no_dataset(write):
    path = write({"cat/z": np.arange(3)})
    for key in ("cat", "cat/z/deeper", "cat/y", "", "/"):
        with pytest.raises(InputError, match="is missing; the file has cat"):
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


def test_external_storage_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(24)))
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("z", (3,), "i8", external=[(str(secret), 0, 24)])
    with pytest.raises(InputError, match="received external storage in '.*secret'"):
        find(path, "z")


def test_virtual_data_may_lie_beside_the_file(write, tmp_path, monkeypatch):
    values = np.arange(12.0).reshape(4, 3)
    write({"a/x": values}, name="one.h5")
    write({"a/x": values + 100}, name="two.h5")
    path = tmp_path / "all.h5"
    virtual(path, [("one.h5", "a/x"), ("two.h5", "a/x")])
    virtual(path, [(".", "images")], key="again", shape=(8, 3))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(find(path, "images"), np.concatenate([values, values + 100]))
    np.testing.assert_array_equal(find(path, "again"), np.concatenate([values, values + 100]))


@pytest.mark.parametrize("how", ["absolute", "parent", "below", "missing", "symlink"])
def test_virtual_data_elsewhere_are_refused(write, tmp_path, how):
    (tmp_path / "sub").mkdir()
    other = write({"x": np.ones((4, 3))}, name="other.h5")
    below = write({"x": np.ones((4, 3))}, name="sub/below.h5")
    (tmp_path / "link.h5").symlink_to(below)
    name = {
        "absolute": str(other),
        "parent": f"../{tmp_path.name}/other.h5",
        "below": "sub/below.h5",
        "missing": "missing.h5",
        "symlink": "link.h5",
    }[how]
    path = tmp_path / "all.h5"
    virtual(path, [(name, "x")])
    with pytest.raises(InputError, match=r"all\.h5: images: expected every source .* to be a file"):
        find(path, "images")


def test_a_source_beside_the_file_is_no_way_out(write, tmp_path):
    (tmp_path / "far").mkdir()
    write({"x": np.ones((4, 3))}, name="far/away.h5")
    (tmp_path / "bytes").write_bytes(bytes(96))
    with h5py.File(tmp_path / "near.h5", "w") as file:
        file["x"] = h5py.ExternalLink("far/away.h5", "/x")
        file.create_dataset("stored", (4, 3), "f8", external=[(str(tmp_path / "bytes"), 0, 96)])
    virtual(tmp_path / "near.h5", [("far/away.h5", "x")], key="again")
    for place, words in {
        "x": r"near\.h5: images: .*received a link",
        "stored": r"near\.h5: images: .*received external storage",
        "again": r"near\.h5: images: expected every source",
    }.items():
        path = tmp_path / f"by-{place}.h5"
        virtual(path, [("near.h5", place)])
        with pytest.raises(InputError, match=words):
            find(path, "images")


def test_virtual_data_that_go_in_circles_are_refused(tmp_path):
    for one, other in (("a.h5", "b.h5"), ("b.h5", "a.h5")):
        virtual(tmp_path / one, [(other, "images")])
    with pytest.raises(InputError, match="expected at most 16 nested virtual datasets"):
        find(tmp_path / "a.h5", "images")


@pytest.mark.parametrize("chunks", [None, (64, 5, 32, 32)])
def test_claims_far_beyond_what_is_stored_are_refused(tmp_path, chunks):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        if chunks is None:
            layout = h5py.VirtualLayout((10**9, 5, 32, 32), "f4")
            file.create_virtual_dataset("images", layout)
        else:
            file.create_dataset("images", (10**9, 5, 32, 32), "f4", chunks=chunks)
            file["images"][0] = 1.0
        file.create_dataset("specz_redshift", (10**9,), "f4", chunks=(1000,))
    with (
        pytest.raises(InputError, match=r"images: expected data; received shape \(10{9}, 5, 32"),
        open_raw(path, layout="sdss32"),
    ):
        pass
    with pytest.raises(InputError, match="specz_redshift: expected data; received shape"):
        find(path, "specz_redshift")


def test_well_compressed_data_are_believed(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("zeros", (20_000_000,), "f4", chunks=(1 << 20,), compression=9)
        file["zeros"][...] = 0
        assert file["zeros"].id.get_storage_size() < 80_000_000 / 500
    with open_hdf5(path) as file:
        assert find_dataset(file, path, "zeros").shape == (20_000_000,)


def test_a_chunk_that_would_be_read_whole_has_a_limit(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 16, 1 << 13), "f4", chunks=(1 << 16, 1 << 13))
    with pytest.raises(InputError, match="expected data|expected chunks of at most 1073741824"):
        find(path, "x")
    with h5py.File(path, "w") as file:  # not said to be much, but stored in one piece
        file.create_dataset("x", (10, 10), "f4", chunks=(1 << 16, 1 << 13), maxshape=(None, None))
    with pytest.raises(InputError, match="expected chunks of at most 1073741824 bytes"):
        find(path, "x")


def test_long_lists_of_keys_are_cut(write):
    path = write({f"k{number:02d}": 0 for number in range(30)})
    with open_hdf5(path) as file:
        assert keys_of(file, path).endswith("k18, k19, 10 more")
    path = write({})
    with open_hdf5(path) as file:
        assert keys_of(file, path) == "no keys"
