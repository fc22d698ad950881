"""One contract for all layouts: whatever the file looks like, the same survey is read."""

import h5py
import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.ingest.raw import RawFile
from pix2z.ingest.source import open_source

N = 12
REDSHIFT_KEY = {
    "sdss32": "'specz_redshift'",
    "nersc": "'specz_redshift'",
    "pasquet": "'z'",
    "hdf5": "ingest.hdf5.redshift",
}
LAYOUTS = tuple(REDSHIFT_KEY)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_survey_holds_what_the_file_does(opened, galaxies, layout):
    with opened(layout) as survey:
        images = survey.read_images(3, 8)
        table = survey.table
    np.testing.assert_array_equal(images, galaxies["stamps"][3:8])
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert len(table) == N
    names = {"z_spec": "z"} | {name: name for name in galaxies if name not in ("z", "stamps")}
    for column, name in names.items():
        np.testing.assert_array_equal(getattr(table, column), galaxies[name], err_msg=column)
    assert np.isnan(table.seeing).all()
    assert not table.moved.any()
    assert table.has_redshifts
    assert table.has_ids
    assert table.has_positions
    assert table.origin["group_id"] == "sky cells of 1 deg"
    assert survey.layout == layout
    assert survey.source == ("raw.npz" if layout == "pasquet" else "a test")
    assert survey.files == (RawFile(survey.path, N),)
    said = {"axes", "bands", "unit", "pixel scale", "crop"}
    assert set(survey.converted) == said | ({"masked"} if layout == "nersc" else set())


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
    assert not any([table.has_ids, table.has_positions, table.has_redshifts])
    assert table.origin["object_id"] == "none in the file: row number"
    assert table.origin["z_error"] == "none in the file: NaN"
    assert REDSHIFT_KEY[layout] in table.origin["z_spec"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_column_can_be_ebv(opened, galaxies, layout):
    key = {"pasquet": "ZERR", "hdf5": "cat/z_error"}.get(layout, "specz_redshift_err")
    with opened(layout, ebv_key=key) as survey:
        np.testing.assert_array_equal(survey.table.ebv, galaxies["z_error"])
        assert key.lower() in survey.table.origin["ebv"].lower()
    missing = r"raw\..*'dust' is missing; the file has"
    with pytest.raises(InputError, match=missing), opened(layout, ebv_key="dust"):
        pass


@pytest.mark.parametrize("layout", ["sdss32", "pasquet"])
def test_half_a_position_is_named(written, layout):
    path = written(layout, dropped=("dec",))
    with pytest.raises(InputError, match=r"raw.*\bdec\b"), open_source(path, layout=layout):
        pass


def test_nersc_crop_puts_the_middle_pixel_at_16(write_raw):
    images = np.zeros((1, 5, 107, 107), np.float32)
    images[:, :, 53, 53] = 1
    with open_source(write_raw({"images": images}), layout="nersc") as survey:
        stamp = survey.read_images(0, 1)[0, :, :, 0]
    assert np.argwhere(stamp == 1).tolist() == [[16, 16]]
    assert survey.converted["crop"] == "rows 37 to 68, columns 37 to 68"


def test_extinctions_per_band_become_ebv(written, galaxies):
    path = written("nersc")
    ratios = np.array([5.155, 3.793, 2.751, 2.086, 1.479])  # Schlegel, Finkbeiner & Davis 1998
    with h5py.File(path, "a") as file:
        del file["e_bv"]
        file["e_bv"] = galaxies["ebv"][:, None].astype(float) * ratios
        file["e_bv"][0] = [0.3, 0.2, 0.1, 0.1, 0.05]
    with open_source(path, layout="nersc") as survey:
        ebv = survey.table.ebv
        assert survey.table.origin["ebv"].startswith("e_bv (N, 5), taken as A_ugriz: mean(")
    np.testing.assert_allclose(ebv[1:], galaxies["ebv"][1:], rtol=1e-6)
    expected = np.mean([0.3 / 5.155, 0.2 / 3.793, 0.1 / 2.751, 0.1 / 2.086, 0.05 / 1.479])
    assert ebv[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("layout", "key", "values", "words"),
    [
        ("nersc", "images", np.zeros((N, 5, 32, 32)), r"expected shape \(N, 5, 107, 107\)"),
        ("sdss32", "images", np.zeros((N, 32, 32, 5)), r"received \(12, 32, 32, 5\)"),
        ("sdss32", "images", np.zeros((0, 5, 32, 32)), r"N > 0; received \(0, 5, 32, 32\)"),
        ("sdss32", "images", np.zeros((N, 5, 32, 32), complex), "images: expected numbers"),
        ("sdss32", "ra", h5py.Empty("f8"), r"ra: expected shape \(12,\); received None"),
        ("sdss32", "specz_redshift", np.zeros(N - 1), r"expected shape \(12,\); received \(11,\)"),
        ("sdss32", "specz_redshift", np.zeros(N, [("z", "f4")]), "redshift: expected numbers"),
        ("sdss32", "e_bv", np.zeros((N, 3)), r"expected shape \(12,\) or \(12, 5\)"),
        ("sdss32", "ObjID", np.full(N, 2**64 - 1, np.uint64), "below 2\\*\\*63"),
        ("sdss32", "ObjID", np.zeros(N), "ObjID: expected integers; received dtype float64"),
        ("sdss32", "zwarning", np.zeros(N), "zwarning: expected integers"),
        ("sdss32", "class", np.full(N, "QSO", object), "expected text of fixed length, in bytes"),
    ],
)
def test_what_does_not_fit_is_named(written, layout, key, values, words):
    path = written(layout)
    with h5py.File(path, "a") as file:
        file.pop(key, None)
        file[key] = values
    with pytest.raises(InputError, match=words) as caught, open_source(path, layout=layout):
        pass
    assert "raw.h5" in str(caught.value)
