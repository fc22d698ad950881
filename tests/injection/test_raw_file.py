"""Rendered galaxies in real frames as a raw file that ingest and fine-tuning take."""

import h5py
import numpy as np
import pytest

from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.field.frames import open_field
from pix2z.ingest.galaxies import ingest
from pix2z.injection.galaxies import read_drawn
from pix2z.injection.raw_file import write_in_frames
from tests.catalogue.conftest import largest_file
from tests.field.planted import plant, write_field
from tests.injection.conftest import galaxies_of, write_drawn
from tests.real.conftest import LIMITS

N = 30


@pytest.fixture(scope="module")
def drawn_path(tmp_path_factory):
    """30 galaxies, the last ten of them moved stamps of the first."""
    return write_drawn(tmp_path_factory.mktemp("drawn") / "semireal.h5", galaxies_of(N), n_moved=10)


@pytest.fixture(scope="module")
def two_fields(frames, tmp_path_factory):
    """The planted field, and one with sources at other places."""
    other = write_field(tmp_path_factory.mktemp("other"), plant(seed=6), packed="")
    return [frames, open_field(other)]


@pytest.fixture(scope="module")
def written(drawn_path, two_fields, tmp_path_factory):
    path = tmp_path_factory.mktemp("sky") / "sky.h5"
    assert write_in_frames(path, drawn_path, two_fields, seed=5) == 20
    return path


def test_what_was_drawn_is_read_back(drawn_path):
    drawn, galaxies = read_drawn(drawn_path), galaxies_of(N)
    for name, values in vars(galaxies.sources).items():
        np.testing.assert_array_equal(getattr(drawn.sources, name), values)
    assert drawn.copy.tolist() == [0] * 20 + [1] * 10
    np.testing.assert_allclose(drawn.mag_r, 16.5)


def test_every_unmoved_galaxy_is_once_in_one_field_with_its_redshift(written, drawn_path):
    with h5py.File(written) as file, h5py.File(drawn_path) as raw:
        for name in ("ObjID", "specz_redshift", "e_bv", "ra", "truth/parent"):
            np.testing.assert_array_equal(file[name][...], raw[name][:20])
        assert np.bincount(file["truth/field"][...]).tolist() == [10, 10]
        light = np.nansum(file["images"][...], axis=(2, 3))
        flux = raw["truth/flux"][:20]
        assert "rendered in real sky" in file.attrs["source"]
    assert np.median(light[:, 2] / flux[:, 2]) == pytest.approx(0.95, abs=0.08)


def test_ingest_takes_the_file_with_the_groups_of_the_parents(written, tmp_path):
    report = ingest(written, tmp_path / "galaxies.h5", **LIMITS)
    assert report["n_good"] == 20
    with open_galaxies(tmp_path / "galaxies.h5") as galaxies:
        assert galaxies.column("group_id").tolist() == list(range(100, 120))
        assert not galaxies.column("moved").any()


def test_the_same_again_writes_nothing_and_another_seed_another_file(
    written, drawn_path, two_fields, tmp_path
):
    before, first = written.stat().st_mtime_ns, written.read_bytes()
    write_in_frames(written, drawn_path, two_fields, seed=5)
    assert written.stat().st_mtime_ns == before
    write_in_frames(tmp_path / "again.h5", drawn_path, two_fields, seed=5)
    assert (tmp_path / "again.h5").read_bytes() == first
    write_in_frames(tmp_path / "other.h5", drawn_path, two_fields, seed=6)
    assert (tmp_path / "other.h5").read_bytes() != first


def test_galaxies_that_are_not_there_are_one_line(two_fields, drawn_path, tmp_path):
    missing = tmp_path / "semireal.h5"
    with pytest.raises(InputError, match=r"semireal\.h5: missing; expected the galaxies that the"):
        write_in_frames(tmp_path / "sky.h5", missing, two_fields, seed=1)
    with h5py.File(missing, "w") as file:
        file["images"] = np.zeros((1, 5, 32, 32), np.float32)
    with pytest.raises(InputError, match="expected a file of the renderer, with a group truth"):
        write_in_frames(tmp_path / "sky.h5", missing, two_fields, seed=1)
    assert not (tmp_path / "sky.h5").exists()


def test_a_full_disk_is_said_of_the_file_that_it_takes_no_more_of(two_fields, drawn_path, tmp_path):
    with (
        largest_file(100_000),
        pytest.raises(InputError, match=r"sky\.h5: cannot be written \(File too large\)"),
    ):
        write_in_frames(tmp_path / "sky.h5", drawn_path, two_fields, seed=5)
    assert not list(tmp_path.iterdir())
