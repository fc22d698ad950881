import gzip
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits

from pix2z.config.ingest import Hdf5Mapping
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.ingest.plausibility import photometry_problems
from pix2z.ingest.raw import RawFile
from pix2z.ingest.source import detect_layout, open_source

N = 50


def cut_short(path):
    os.truncate(path, path.stat().st_size // 2)


def overwritten(path):
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(content[::-1])


def read_while(change, path):
    """Read the first stamps, have the file changed, and read the last ones."""
    with open_source(path) as survey:
        assert len(survey.read_images(0, 2)) == 2
        change(path)
        return survey.read_images(40, 50)


@pytest.mark.parametrize("change", [cut_short, overwritten])
@pytest.mark.parametrize("chunks", [None, (8, 5, 32, 32)])
def test_a_file_that_changes_while_it_is_read_is_refused(raw, tmp_path, chunks, change):
    """Beyond an end that comes early HDF5 reads zeros, which would be absent bands."""
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=raw["images"], chunks=chunks)
    with pytest.raises(InputError, match=r"raw\.h5: (changed while it was read|images: rows)"):
        read_while(change, path)


def test_a_file_that_another_takes_the_place_of_is_read_to_its_end(raw, write_raw, tmp_path):
    path = write_raw(raw)
    with open_source(path) as survey:
        first = survey.read_images(0, 2)
        write_raw({**raw, "images": raw["images"] + 1}, name="new.h5").replace(path)
        np.testing.assert_array_equal(survey.read_images(0, 2), first)


@pytest.mark.parametrize("with_ids", [True, False])
def test_some_rows_of_an_hdf5_file_are_what_the_whole_file_has_there(raw, write_raw, with_ids):
    path = write_raw({key: values for key, values in raw.items() if with_ids or key != "ObjID"})
    with open_source(path) as whole, open_source(path, rows=(20, 45)) as some:
        rows = slice(20, 45)
        for name in ("object_id", "group_id", "ebv", "ra", "z_spec", "seeing"):
            wanted = getattr(whole.table, name)[rows]
            np.testing.assert_array_equal(getattr(some.table, name), wanted)
        np.testing.assert_array_equal(some.read_images(3, 25), whole.read_images(23, 45))
        assert len(some.table) == 25
        assert some.files == whole.files
    with open_source(path, rows=(0, 0)) as header, open_source(path) as whole:
        assert len(header.table) == 0
        assert header.files[0].n_rows == N
        np.testing.assert_array_equal(header.read_images(5, 9), whole.read_images(5, 9))
        assert photometry_problems(header) == photometry_problems(whole)
    with pytest.raises(ValueError, match="expected one HDF5 file"):
        open_source(path.parent, rows=(0, 5))


def test_a_virtual_dataset_of_files_beside_it_is_one_survey(raw, write_raw, tmp_path):
    path = write_raw(raw)
    layout = h5py.VirtualLayout((2 * N, 5, 32, 32), raw["images"].dtype)
    for start in (0, N):
        layout[start : start + N] = h5py.VirtualSource(path.name, "images", raw["images"].shape)
    with h5py.File(tmp_path / "twice.h5", "w") as file:
        file.create_virtual_dataset("images", layout)
    with open_source(tmp_path / "twice.h5") as twice, open_source(path) as once:
        wanted = np.concatenate([once.read_images(45, 50), once.read_images(0, 5)])
        np.testing.assert_array_equal(twice.read_images(45, 55), wanted)
        assert twice.files[0].paths == (tmp_path / "twice.h5", path)


def part(raw, rows):
    """Content of a raw file of some rows only."""
    return {key: values[rows] for key, values in raw.items()}


@pytest.fixture
def three_files(raw, write_raw):
    """A folder with rows 0 to 9, 10 to 34 and 35 to 49, and what does not count beside them."""
    for name, rows in {"a": slice(10), "b": slice(10, 35), "c": slice(35, 50)}.items():
        folder = write_raw(part(raw, rows), name=f"many/{name}.h5").parent
    (folder / ".partial-d.h5").write_bytes(b"half")
    (folder / "notes.txt").write_text("about")
    return folder


def test_files_of_a_folder_are_read_as_one(raw, three_files):
    with open_source(three_files) as survey:
        assert len(survey.table) == N
        assert survey.path == three_files
        assert survey.source == "a test"
        assert survey.files == tuple(
            RawFile(three_files / f"{name}.h5", n) for name, n in (("a", 10), ("b", 25), ("c", 15))
        )
        np.testing.assert_array_equal(survey.table.object_id, raw["ObjID"])
        np.testing.assert_array_equal(survey.table.group_id, raw["truth/parent"])
        np.testing.assert_array_equal(survey.table.seeing, raw["truth/psf_fwhm"])
        stamps = raw["images"].transpose(0, 2, 3, 1)
        for start, stop in [(0, 50), (8, 12), (30, 31), (9, 36), (49, 50), (0, 1), (0, 10)]:
            np.testing.assert_array_equal(survey.read_images(start, stop), stamps[start:stop])


def test_rows_without_ids_are_numbered_over_all_files(raw, write_raw):
    bare = {key: raw[key] for key in ("images", "specz_redshift")}
    for name, rows in {"a": slice(10), "b": slice(10, 50)}.items():
        path = write_raw(part(bare, rows), name=f"bare/{name}.h5", source=name)
    with open_source(path.parent) as merged:
        np.testing.assert_array_equal(merged.table.object_id, np.arange(N))
        np.testing.assert_array_equal(merged.table.group_id, np.arange(N))
        assert not merged.table.has_ids
        assert merged.source == "a; b"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.pop("ObjID"), "alike in object_id; received 'ObjID' in a.h5 and 'none in"),
        (lambda raw: raw.pop("specz_redshift"), "alike in z_spec; received 'specz_redshift' in a"),
        (
            lambda raw: raw.update({"images": np.zeros((50, 5, 107, 107), "f4")}),
            r"b\.h5: images: expected shape \(N, 5, 32, 32\)",
        ),
    ],
)
def test_files_that_differ_are_named(raw, write_raw, change, words):
    write_raw(raw, name="many/a.h5")
    change(raw)
    path = write_raw(raw, name="many/b.h5")
    with pytest.raises(InputError, match=words) as caught, open_source(path.parent):
        pass
    assert "b.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_file_is_converted_from_its_own_unit_and_size(raw, write_raw):
    wide = np.pad(raw["images"], ((0, 0), (0, 0), (4, 4), (4, 4)))
    for name, unit, images in (("a", "nJy", raw["images"]), ("b", "uJy", wide / 1000)):
        path = write_raw({"images": images}, name=f"many/{name}.h5", unit=unit)
    with open_source(path.parent, layout="hdf5", mapping=Hdf5Mapping()) as survey:
        stamps = raw["images"].transpose(0, 2, 3, 1) / 3631
        expected = np.concatenate([stamps, stamps])
        np.testing.assert_allclose(survey.read_images(0, 100), expected, rtol=1e-5)
        words = survey.converted["unit"].split("; ")
    assert [text.split(",")[0] for text in words] == ["nJy", "uJy"]


def test_files_whose_columns_are_packed_in_different_ways_are_one_survey(raw, write_raw):
    for name, scale in (("a", 1e-4), ("b", 1e-5)):
        stored = np.rint(raw["specz_redshift"] / scale).astype(np.int32)
        path = write_raw(raw | {"specz_redshift": stored}, name=f"many/{name}.h5")
        with h5py.File(path, "a") as file:
            file["specz_redshift"].attrs["scale_factor"] = scale
    with open_source(path.parent) as survey:
        z_spec = np.tile(raw["specz_redshift"], 2)
        np.testing.assert_allclose(survey.table.z_spec, z_spec, atol=1e-4)
        words = survey.converted["column specz_redshift"].split("; ")
    assert [text.split(",")[0] for text in words] == ["times 0.0001", "times 1e-05"]


def test_softened_files_are_not_mixed_with_others(raw, write_raw):
    softened = {key: raw[key] for key in ("images", "specz_redshift")}
    path = write_raw(softened, name="many/a.h5", unit="softened to [0, 1], no flux")
    write_raw(softened, name="many/b.h5", unit="softened to [0, 1], no flux")
    with open_source(path.parent) as survey:
        assert survey.softened
    write_raw(softened, name="many/c.h5", unit="nanomaggy")
    words = (
        r"many: expected files alike in pixels; received 'softened .*a\.h5 and 'fluxes' in c\.h5"
    )
    with pytest.raises(InputError, match=words), open_source(path.parent):
        pass


def test_masked_pixels_are_found_in_every_file_of_a_folder(raw, write_raw):
    masked = raw["images"].copy()
    masked[:, :, :2, :2] = -99
    write_raw({"images": raw["images"] * 3631}, name="many/a.h5", unit="nJy")
    path = write_raw({"images": masked}, name="many/b.h5", unit="nanomaggy")
    with open_source(path.parent) as survey:
        assert [file.gain[0] for file in survey.files] == pytest.approx([1 / 3631, 1])
        assert any("pixels are exactly -99, in 50" in one for one in photometry_problems(survey))


def test_a_folder_says_the_unit_of_positions_where_every_file_does(raw, write_raw):
    positions = {"images": raw["images"], "ra": np.ones(N), "dec": np.ones(N)}
    paths = [write_raw(positions, name=f"many/{name}.h5") for name in "ab"]
    for path, expected in zip(paths, (False, True), strict=True):
        with h5py.File(path, "a") as file:
            file["ra"].attrs["unit"] = "deg"
        with open_source(path.parent) as survey:
            assert survey.table.has_unit_of_positions is expected


def test_many_files_need_few_open_ones(raw, write_raw):
    resource = pytest.importorskip("resource", reason="no limits of open files on this system")
    small = part(raw, slice(1))
    for number in range(30):
        folder = write_raw(small, name=f"many/{number:03d}.h5").parent
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(list(Path("/dev/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 12, limits[1]))
    try:
        with open_source(folder) as survey:
            assert survey.read_images(0, 30).shape == (30, 32, 32, 5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_file_that_changes_between_two_reads_is_named(raw, three_files, write_raw):
    with open_source(three_files) as survey:
        write_raw(part(raw, slice(7)), name="many/b.h5")
        with pytest.raises(InputError, match=r"b\.h5: changed while it was read"):
            survey.read_images(0, 50)


def test_what_ingest_writes_can_be_read_again(galaxies_path):
    assert detect_layout(galaxies_path) == "galaxies"
    with open_source(galaxies_path) as survey, open_galaxies(galaxies_path) as galaxies:
        assert survey.layout == "galaxies"
        assert survey.source == "a test"
        stamps = galaxies.images(np.arange(5, 20))
        np.testing.assert_array_equal(survey.read_images(5, 20), stamps)
        np.testing.assert_array_equal(survey.table.z_spec, galaxies.column("specz_redshift"))
        for name in ("object_id", "group_id", "ra", "ebv", "seeing", "moved"):
            np.testing.assert_array_equal(getattr(survey.table, name), galaxies.column(name))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda file: file.attrs.update(schema_version=99),
            "expected schema_version 1, as ingest writes; received 99",
        ),
        (
            lambda file: (file.attrs.update(schema_version=99), file.pop("ebv")),
            "expected schema_version 1, as ingest writes; received 99",
        ),
        (lambda file: file.pop("ebv"), "key 'ebv' is missing"),
        (
            lambda file: file.attrs.update(unit="adu"),
            "attribute 'unit' of the file 'adu': expected",
        ),
    ],
)
def test_a_galaxies_file_that_is_not_one_is_named(galaxies_path, change, words):
    with h5py.File(galaxies_path, "a") as file:
        change(file)
    with pytest.raises(InputError, match=words), open_source(galaxies_path):
        pass


def test_layouts_are_told_by_what_files_hold(tmp_path, write_raw):
    for shape, layout in {
        (3, 5, 32, 32): "sdss32",
        (3, 5, 107, 107): "nersc",
        (3, 32, 32, 5): "hdf5",
        (3, 4, 32, 32): "hdf5",
        (): "hdf5",
    }.items():
        assert detect_layout(write_raw({"images": np.zeros(shape, "f4")})) == layout
    assert detect_layout(write_raw({"pix": np.zeros(3)})) == "hdf5"
    np.savez(tmp_path / "some.npz", cube=np.zeros(3))
    assert detect_layout((tmp_path / "some.npz").rename(tmp_path / "some.dat")) == "pasquet"


def test_a_layout_by_its_old_name_is_told_its_new_one(raw, write_raw):
    path = write_raw(raw)
    with pytest.raises(InputError, match="^layout 'seed' is now called 'sdss32'$"):
        open_source(path, layout="seed")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken.npz", "damaged or not npz"),
        ("broken.h5", "damaged or not HDF5"),
        ("gone.h5", "no such file"),
    ],
)
def test_what_cannot_be_opened_is_named(tmp_path, name, words):
    (tmp_path / "broken.npz").write_bytes(b"PK no zip")
    (tmp_path / "broken.h5").write_bytes(b"\xffnot HDF5 at all")
    with pytest.raises(InputError, match=f"{name}: cannot be opened: {words}"):
        open_source(tmp_path / name).__enter__()


def as_fits(path):
    fits.PrimaryHDU(np.zeros((5, 32, 32))).writeto(path)


@pytest.mark.parametrize(
    ("write", "received"),
    [
        (lambda path: h5py.File(path, "w").close(), "an HDF5 file"),
        (as_fits, "a FITS file"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00" + bytes(100)), "a numpy array"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "a zip file"),
        (lambda path: path.write_text("ra,dec\n1,2\n"), "text"),
    ],
)
def test_a_file_of_another_format_than_its_layout_is_not_called_damaged(tmp_path, write, received):
    path = tmp_path / "mine.dat"
    write(path)
    for layout, kind, own in (
        ("hdf5", "HDF5", "an HDF5 file"),
        ("fits", "FITS", "a FITS file"),
        ("npz", "npz", "a zip file"),
        ("npy", ".npy", "a numpy array"),
    ):
        if received != own:
            words = f"mine.dat: expected {kind}; received {received}"
            with pytest.raises(InputError, match=words):
                open_source(path, layout=layout).__enter__()


def test_what_is_packed_tells_which_format_it_is(tmp_path):
    (tmp_path / "a.h5.gz").write_bytes(gzip.compress(b"\x89HDF\r\n"))
    with pytest.raises(InputError, match="expected HDF5; received a gzip file; unpack it first"):
        open_source(tmp_path / "a.h5.gz").__enter__()
    as_fits(tmp_path / "a.fits.gz")
    assert detect_layout(tmp_path / "a.fits.gz") == "fits"
