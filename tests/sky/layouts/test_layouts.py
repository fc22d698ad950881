"""One contract for all layouts: whatever the file looks like, the same survey is read."""

import h5py
import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.sky.imaging import EXTINCTION_PER_EBV
from pix2z.sky.layouts.registry import LAYOUTS, open_raw

N = 12
SIDES = {"seed": 32, "nersc": 107}


def content(layout):
    """Key -> array of a file in the layout, all its optional keys but `truth` included."""
    rng = np.random.default_rng(21)
    side = SIDES[layout]
    return {
        "images": rng.normal(size=(N, 5, side, side)).astype(np.float32),
        "ObjID": 1_237_650_000_000_000_000 + np.arange(N),
        "specObjID": np.arange(N),
        "ra": rng.uniform(0, 360, N),
        "dec": rng.uniform(-90, 90, N),
        "e_bv": rng.uniform(0, 0.1, N).astype(np.float32),
        "specz_redshift": rng.uniform(0, 0.4, N).astype(np.float32),
        "specz_redshift_err": np.full(N, 1e-4, np.float32),
    }


@pytest.fixture
def write(tmp_path):
    def write_file(keys):
        path = tmp_path / "raw.h5"
        with h5py.File(path, "w") as file:
            for key, values in keys.items():
                file[key] = values
        return path

    return write_file


def test_every_layout_is_tested():
    assert set(SIDES) == set(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_survey_holds_what_the_file_does(write, layout):
    keys = content(layout)
    first = (SIDES[layout] - 32) // 2
    centre = keys["images"][:, :, first : first + 32, first : first + 32].transpose(0, 2, 3, 1)
    with open_raw(write(keys), layout=layout) as survey:
        images = survey.read_images(3, 8)
        table = survey.table
    np.testing.assert_array_equal(images, centre[3:8])
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert len(table) == N
    np.testing.assert_array_equal(table.z_spec, keys["specz_redshift"])
    np.testing.assert_array_equal(table.z_error, keys["specz_redshift_err"])
    np.testing.assert_array_equal(table.object_id, keys["ObjID"])
    np.testing.assert_array_equal(table.ra, keys["ra"])
    np.testing.assert_array_equal(table.dec, keys["dec"])
    np.testing.assert_array_equal(table.ebv, keys["e_bv"])
    assert np.isnan(table.seeing).all()
    assert not table.moved.any()
    assert table.has_ids
    assert table.has_positions
    assert table.origin["group_id"] == "sky cells of 1 deg"
    assert survey.source == "raw.h5"


def test_nersc_crop_puts_the_middle_pixel_at_16(write):
    keys = content("nersc")
    keys["images"][:] = 0
    keys["images"][:, :, 53, 53] = 1
    with open_raw(write(keys), layout="nersc") as survey:
        stamp = survey.read_images(0, 1)[0, :, :, 0]
    assert np.argwhere(stamp == 1).tolist() == [[16, 16]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_extinctions_per_band_become_ebv(write, layout):
    keys = content(layout)
    ebv = keys["e_bv"].astype(float)
    keys["e_bv"] = ebv[:, None] * np.array([5.155, 3.793, 2.751, 2.086, 1.479])
    with open_raw(write(keys), layout=layout) as survey:
        np.testing.assert_allclose(survey.table.ebv, ebv, rtol=1e-6)
        assert survey.table.origin["ebv"].startswith("e_bv (N, 5), taken as A_ugriz: mean(")
    keys["e_bv"][0] = [0.3, 0.2, 0.1, 0.1, 0.05]
    with open_raw(write(keys), layout=layout) as survey:
        expected = np.mean([0.3 / 5.155, 0.2 / 3.793, 0.1 / 2.751, 0.1 / 2.086, 0.05 / 1.479])
        assert survey.table.ebv[0] == pytest.approx(expected, rel=1e-6)


def test_extinction_ratios_are_those_of_sfd98():
    assert EXTINCTION_PER_EBV == (5.155, 3.793, 2.751, 2.086, 1.479)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_and_redshifts_are_enough(write, layout):
    keys = content(layout)
    for key in ("ObjID", "specObjID", "ra", "dec", "e_bv", "specz_redshift_err"):
        del keys[key]
    with open_raw(write(keys), layout=layout) as survey:
        table = survey.table
    np.testing.assert_array_equal(table.object_id, np.arange(N))
    np.testing.assert_array_equal(table.group_id, np.arange(N))
    assert np.isnan(table.ra).all()
    assert np.isnan(table.ebv).all()
    assert np.isnan(table.z_error).all()
    assert table.z_error.dtype == np.float32
    assert not table.has_ids
    assert not table.has_positions
    assert table.origin["object_id"] == "none in the file: row number"
    assert table.origin["z_error"] == "none in the file: NaN"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_redshift_is_named(write, layout):
    keys = content(layout)
    del keys["specz_redshift"]
    with (
        pytest.raises(InputError, match="'specz_redshift' is missing"),
        open_raw(write(keys), layout=layout),
    ):
        pass


def test_ids_without_positions_are_the_groups(write):
    keys = content("seed")
    del keys["ra"], keys["dec"]
    with open_raw(write(keys), layout="seed") as survey:
        np.testing.assert_array_equal(survey.table.group_id, keys["ObjID"])


def test_truth_gives_groups_moved_and_seeing(write):
    keys = content("seed")
    keys["truth/parent"] = np.arange(N) // 2
    keys["truth/moved"] = np.arange(N) % 2
    keys["truth/psf_fwhm"] = np.full((N, 5), 1.25)
    with open_raw(write(keys), layout="seed") as survey:
        table = survey.table
    np.testing.assert_array_equal(table.group_id, np.arange(N) // 2)
    np.testing.assert_array_equal(table.moved, np.arange(N) % 2)
    assert (table.seeing == 1.25).all()
    del keys["truth/parent"]
    with (
        pytest.raises(InputError, match="'truth/parent' is missing"),
        open_raw(write(keys), layout="seed"),
    ):
        pass


def test_pixels_beyond_float32_become_infinite(write):
    keys = content("seed")
    keys["images"] = keys["images"].astype(np.float64)
    keys["images"][0, 0, 0, 0] = 1e60
    with open_raw(write(keys), layout="seed") as survey:
        assert np.isposinf(survey.read_images(0, 1)[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("layout", "key", "values", "words"),
    [
        ("seed", "images", np.zeros((N, 5, 107, 107)), r"expected shape \(N, 5, 32, 32\)"),
        ("nersc", "images", np.zeros((N, 5, 32, 32)), r"expected shape \(N, 5, 107, 107\)"),
        ("seed", "images", np.zeros((N, 32, 32, 5)), r"received \(12, 32, 32, 5\)"),
        ("seed", "images", np.zeros((N, 5, 32, 32), "S1"), "images: expected numbers"),
        ("seed", "specz_redshift", np.zeros(N - 1), r"expected shape \(12,\); received \(11,\)"),
        ("seed", "specz_redshift", np.zeros(N, "S4"), "specz_redshift: expected numbers"),
        ("seed", "e_bv", np.zeros((N, 3)), r"expected shape \(12,\) or \(12, 5\)"),
        ("seed", "ObjID", np.full(N, 2**64 - 1, np.uint64), "below 2\\*\\*63"),
    ],
)
def test_what_does_not_fit_is_named(write, layout, key, values, words):
    keys = content(layout) | {key: values}
    with pytest.raises(InputError, match=words) as caught, open_raw(write(keys), layout=layout):
        pass
    assert "raw.h5" in str(caught.value)


def test_unknown_layout_is_named(write):
    with pytest.raises(InputError, match="expected one of nersc, seed; received 'npz'"):
        open_raw(write(content("seed")), layout="npz")


def test_a_file_is_opened_read_only(write):
    path = write(content("seed"))
    before = path.read_bytes()
    path.chmod(0o444)
    with open_raw(path, layout="seed") as survey:
        survey.read_images(0, N)
    assert path.read_bytes() == before
