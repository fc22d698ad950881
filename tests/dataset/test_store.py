import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pix2z.dataset import store
from pix2z.dataset.store import COLUMNS, open_galaxies, write_galaxies
from pix2z.errors import InputError

N = 700


@pytest.fixture(scope="module")
def numbered_path(tmp_path_factory):
    """A galaxies.h5 whose stamps hold their own row number."""
    path = tmp_path_factory.mktemp("store") / "galaxies.h5"
    columns = {name: np.arange(N) % 2 for name in COLUMNS} | {"object_id": np.arange(N) * 10}
    columns["seeing"] = np.repeat(columns["seeing"][:, None], 5, axis=1)
    stamp = np.ones((32, 32, 5), np.float32)
    blocks = (np.full((100, 1, 1, 1), 100.0 * k, np.float32) for k in range(7))
    offsets = np.arange(100, dtype=np.float32)[:, None, None, None]
    write_galaxies(
        path,
        columns=columns,
        blocks=((block + offsets) * stamp for block in blocks),
        source="a test",
        source_sha256="0" * 64,
    )
    return path


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, N - 1), max_size=40))
def test_images_of_any_rows_in_any_order(numbered_path, rows):
    out = np.empty((len(rows), 32, 32, 5), np.float32)
    with open_galaxies(numbered_path) as galaxies:
        images = galaxies.images(rows)
        assert galaxies.images(rows, out=out) is out
    np.testing.assert_array_equal(out, images)
    np.testing.assert_array_equal(images, np.broadcast_to(
        np.array(rows, np.float32).reshape(-1, 1, 1, 1), images.shape
    ))  # fmt: skip


def test_columns_and_attributes(numbered_path):
    with open_galaxies(numbered_path) as galaxies:
        assert len(galaxies) == N
        assert galaxies.column("object_id", [5, 2, 2]).tolist() == [50, 20, 20]
        assert galaxies.attribute("pixel_scale") == 0.396
        with pytest.raises(InputError, match="attribute 'nothing' is missing"):
            galaxies.attribute("nothing")
        with pytest.raises(InputError, match="received magnitude"):
            galaxies.column("magnitude")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, N - 1), max_size=40), st.sampled_from([1, 50, 1000]))
def test_columns_of_any_rows_in_any_order(numbered_path, rows, piece):
    with open_galaxies(numbered_path) as galaxies, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "COLUMN_ROWS", piece)
        ids, seeing = galaxies.column("object_id", rows), galaxies.column("seeing", rows)
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, 10 * np.array(rows, np.int64))
    assert seeing.shape == (len(rows), 5)
    np.testing.assert_array_equal(seeing[:, 3], np.array(rows, np.int64) % 2)


def test_a_batch_reads_its_own_part_of_a_column(numbered_path, monkeypatch):
    read = []
    original = h5py.Dataset.__getitem__

    def watched(self, selection, *args, **kwargs):
        values = original(self, selection, *args, **kwargs)
        read.append(np.size(values))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    with open_galaxies(numbered_path) as galaxies:
        galaxies.column("object_id", np.arange(300, 340))
    assert sum(read) == 40


@pytest.mark.parametrize("rows", [[-1], [N], [3, N + 5]])
def test_rows_beyond_the_file_are_named(numbered_path, rows):
    with open_galaxies(numbered_path) as galaxies, pytest.raises(InputError, match="0 to 699"):
        galaxies.images(rows)


def test_missing_foreign_and_older_files_are_named(tmp_path):
    path = tmp_path / "galaxies.h5"
    with (
        pytest.raises(InputError, match=r"galaxies\.h5: cannot be opened: no such"),
        open_galaxies(path),
    ):
        pass
    path.write_text("no HDF5")
    with pytest.raises(InputError, match="damaged or not HDF5"), open_galaxies(path):
        pass
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(InputError, match="schema_version 1"), open_galaxies(path):
        pass
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = 1
    with pytest.raises(InputError, match="'specz_redshift' is missing"), open_galaxies(path):
        pass


def test_too_few_blocks_are_refused(tmp_path):
    columns = {name: np.zeros(3) for name in COLUMNS}
    with pytest.raises(ValueError, match="blocks hold 0 stamps; columns 3"):
        write_galaxies(
            tmp_path / "g.h5", columns=columns, blocks=iter([]), source="", source_sha256=""
        )
