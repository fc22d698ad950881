"""One contract for all layouts: whatever the file looks like, the same survey is read."""

import h5py
import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.imaging import EXTINCTION_PER_EBV
from pix2z.ingest.raw import RawFile
from pix2z.ingest.source import open_source as open_raw

LAYOUTS = ('hdf5', 'nersc', 'pasquet', 'sdss32')

N = 12
RATIOS = np.array([5.155, 3.793, 2.751, 2.086, 1.479])
REDSHIFT_KEY = {
    "sdss32": "'specz_redshift'",
    "nersc": "'specz_redshift'",
    "pasquet": "'z'",
    "hdf5": "ingest.hdf5.redshift",
}
HDF5_LAYOUTS = ("sdss32", "nersc")


@pytest.fixture
def opened(written, mapping):
    """Return a function that writes the galaxies in a layout and opens them."""

    def open_layout(layout, *, dropped=(), ebv_key=None):
        path = written(layout, dropped=dropped)
        return open_raw(path, layout=layout, mapping=mapping(dropped=dropped), ebv_key=ebv_key)

    return open_layout


def test_every_layout_is_tested():
    assert set(REDSHIFT_KEY) == set(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_survey_holds_what_the_file_does(opened, galaxies, layout):
    with opened(layout) as survey:
        images = survey.read_images(3, 8)
        whole = survey.read_images(0, N)
        table = survey.table
    np.testing.assert_array_equal(images, galaxies["stamps"][3:8])
    np.testing.assert_array_equal(whole, galaxies["stamps"])
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert len(table) == N
    for column, name in {
        "z_spec": "z",
        "z_error": "z_error",
        "object_id": "object_id",
        "ra": "ra",
        "dec": "dec",
        "ebv": "ebv",
    }.items():
        np.testing.assert_array_equal(getattr(table, column), galaxies[name], err_msg=column)
    assert np.isnan(table.seeing).all()
    assert not table.moved.any()
    assert table.has_redshifts
    assert table.has_ids
    assert table.has_positions
    assert table.origin["group_id"] == "sky cells of 1 deg"
    assert survey.layout == layout
    assert survey.source == survey.path.name
    assert survey.files == (RawFile(survey.path, N),)
    assert set(survey.converted) == {"axes", "bands", "unit", "pixel scale", "crop"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_are_enough(opened, layout):
    dropped = ("object_id", "ra", "dec", "ebv", "z_error", "z")
    with opened(layout, dropped=dropped) as survey:
        table = survey.table
    np.testing.assert_array_equal(table.object_id, np.arange(N))
    np.testing.assert_array_equal(table.group_id, np.arange(N))
    for column in ("ra", "ebv", "z_error", "z_spec"):
        assert np.isnan(getattr(table, column)).all(), column
    assert table.z_error.dtype == table.z_spec.dtype == np.float32
    assert not table.has_ids
    assert not table.has_positions
    assert not table.has_redshifts
    assert table.origin["object_id"] == "none in the file: row number"
    assert table.origin["z_error"] == "none in the file: NaN"
    assert REDSHIFT_KEY[layout] in table.origin["z_spec"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ids_without_positions_are_the_groups(opened, galaxies, layout):
    with opened(layout, dropped=("ra", "dec")) as survey:
        np.testing.assert_array_equal(survey.table.group_id, galaxies["object_id"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_column_can_be_ebv(opened, galaxies, layout):
    key = {"pasquet": "ZERR", "hdf5": "cat/z_error"}.get(layout, "specz_redshift_err")
    with opened(layout, ebv_key=key) as survey:
        np.testing.assert_array_equal(survey.table.ebv, galaxies["z_error"])
        assert key.lower() in survey.table.origin["ebv"].lower()
    with (
        pytest.raises(InputError, match=r"raw\..*'dust' is missing; the file has"),
        opened(layout, ebv_key="dust"),
    ):
        pass


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_is_opened_read_only(written, mapping, layout):
    path = written(layout)
    before = path.read_bytes()
    path.chmod(0o444)
    with open_raw(path, layout=layout, mapping=mapping()) as survey:
        survey.read_images(0, N)
    assert path.read_bytes() == before


def test_unknown_layout_is_named(written):
    with pytest.raises(InputError, match="expected one of galaxies, hdf5, nersc, pasquet, sdss32; received"):
        open_raw(written("sdss32"), layout="npz")


def test_nersc_crop_puts_the_middle_pixel_at_16(write):
    images = np.zeros((1, 5, 107, 107), np.float32)
    images[:, :, 53, 53] = 1
    with open_raw(write({"images": images}), layout="nersc") as survey:
        stamp = survey.read_images(0, 1)[0, :, :, 0]
    assert np.argwhere(stamp == 1).tolist() == [[16, 16]]


@pytest.mark.parametrize("layout", HDF5_LAYOUTS)
def test_extinctions_per_band_become_ebv(written, galaxies, layout):
    path = written(layout)
    with h5py.File(path, "a") as file:
        del file["e_bv"]
        file["e_bv"] = galaxies["ebv"][:, None].astype(float) * RATIOS
    with open_raw(path, layout=layout) as survey:
        np.testing.assert_allclose(survey.table.ebv, galaxies["ebv"], rtol=1e-6)
        assert survey.table.origin["ebv"].startswith("e_bv (N, 5), taken as A_ugriz: mean(")
    with h5py.File(path, "a") as file:
        file["e_bv"][0] = [0.3, 0.2, 0.1, 0.1, 0.05]
    with open_raw(path, layout=layout) as survey:
        expected = np.mean([0.3 / 5.155, 0.2 / 3.793, 0.1 / 2.751, 0.1 / 2.086, 0.05 / 1.479])
        assert survey.table.ebv[0] == pytest.approx(expected, rel=1e-6)


def test_extinction_ratios_are_those_of_sfd98():
    assert EXTINCTION_PER_EBV == (5.155, 3.793, 2.751, 2.086, 1.479)


def test_truth_gives_groups_moved_and_seeing(written):
    path = written("sdss32")
    with h5py.File(path, "a") as file:
        file["truth/parent"] = np.arange(N) // 2
        file["truth/moved"] = np.arange(N) % 2
        file["truth/psf_fwhm"] = np.full((N, 5), 1.25)
    with open_raw(path, layout="sdss32") as survey:
        table = survey.table
    np.testing.assert_array_equal(table.group_id, np.arange(N) // 2)
    np.testing.assert_array_equal(table.moved, np.arange(N) % 2)
    assert (table.seeing == 1.25).all()
    with h5py.File(path, "a") as file:
        del file["truth/parent"]
    with (
        pytest.raises(InputError, match="'truth/parent' is missing"),
        open_raw(path, layout="sdss32"),
    ):
        pass


def test_pixels_beyond_float32_become_infinite(write, galaxies):
    images = galaxies["stamps"].transpose(0, 3, 1, 2).astype(np.float64)
    images[0, 0, 0, 0] = 1e60
    with open_raw(write({"images": images}), layout="sdss32") as survey:
        assert np.isposinf(survey.read_images(0, 1)[0, 0, 0, 0])


@pytest.mark.parametrize("layout", HDF5_LAYOUTS)
@pytest.mark.parametrize("unit", ["nanomaggy", "nanomaggies", "nmgy", "nMgy", "3.631e-6 Jy"])
@pytest.mark.parametrize("holder", ["file", "images"])
def test_an_attribute_may_say_nanomaggies(written, layout, unit, holder):
    path = written(layout)
    with h5py.File(path, "a") as file:
        (file if holder == "file" else file["images"]).attrs["unit"] = unit
    with open_raw(path, layout=layout) as survey:
        assert survey.converted["unit"] == f"nanomaggy, as attribute 'unit' of the {holder} says"


@pytest.mark.parametrize("layout", HDF5_LAYOUTS)
@pytest.mark.parametrize("unit", ["nJy", "counts", "mag", "nanomaggy / arcsec2", b"ADU"])
@pytest.mark.parametrize("holder", ["file", "images"])
def test_another_unit_is_refused_with_the_way_out(written, layout, unit, holder):
    path = written(layout)
    with h5py.File(path, "a") as file:
        (file if holder == "file" else file["images"]).attrs["unit"] = unit
    expected = (
        rf"raw\.h5: expected images in nanomaggies; received attribute 'unit' of the {holder}"
    )
    with (
        pytest.raises(InputError, match=expected + ".*layout hdf5 with ingest.hdf5.unit"),
        open_raw(path, layout=layout),
    ):
        pass


@pytest.mark.parametrize(
    ("layout", "key", "values", "words"),
    [
        ("sdss32", "images", np.zeros((N, 5, 107, 107)), r"expected shape \(N, 5, 32, 32\)"),
        ("nersc", "images", np.zeros((N, 5, 32, 32)), r"expected shape \(N, 5, 107, 107\)"),
        ("sdss32", "images", np.zeros((N, 32, 32, 5)), r"received \(12, 32, 32, 5\)"),
        ("sdss32", "images", np.zeros((N, 5, 32)), r"received \(12, 5, 32\)"),
        ("sdss32", "images", np.zeros((0, 5, 32, 32)), r"N > 0; received \(0, 5, 32, 32\)"),
        ("sdss32", "images", np.zeros((N, 5, 32, 32), "S1"), "images: expected numbers"),
        ("sdss32", "images", h5py.Empty("f4"), "images: expected shape"),
        ("sdss32", "images", np.float32(3), r"images: expected shape .* received \(\)"),
        ("sdss32", "ra", h5py.Empty("f8"), r"ra: expected shape \(12,\); received None"),
        ("sdss32", "images", np.zeros((N, 5, 32, 32), complex), "images: expected numbers"),
        ("sdss32", "specz_redshift", np.zeros(N - 1), r"expected shape \(12,\); received \(11,\)"),
        ("sdss32", "specz_redshift", np.zeros(N, "S4"), "specz_redshift: expected numbers"),
        ("sdss32", "specz_redshift", np.zeros(N, [("z", "f4")]), "specz_redshift: expected numbers"),
        ("sdss32", "e_bv", np.zeros((N, 3)), r"expected shape \(12,\) or \(12, 5\)"),
        ("sdss32", "ObjID", np.full(N, 2**64 - 1, np.uint64), "below 2\\*\\*63"),
        ("sdss32", "ObjID", np.zeros(N), "ObjID: expected integers; received dtype float64"),
    ],
)
def test_what_does_not_fit_is_named(written, layout, key, values, words):
    path = written(layout)
    with h5py.File(path, "a") as file:
        del file[key]
        file[key] = values
    with pytest.raises(InputError, match=words) as caught, open_raw(path, layout=layout):
        pass
    assert "raw.h5" in str(caught.value)


@pytest.mark.parametrize("missing", ["ra", "dec"])
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "hdf5"])
def test_half_a_position_is_named(written, layout, missing):
    path = written(layout, dropped=(missing,))
    with pytest.raises(InputError, match=missing) as caught, open_raw(path, layout=layout):
        pass
    assert "raw" in str(caught.value)
