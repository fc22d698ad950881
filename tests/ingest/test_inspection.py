from dataclasses import replace

import h5py
import numpy as np
import pytest

from pix2z.ingest.checks import RowLimits
from pix2z.ingest.contents import file_contents, suggested_mapping
from pix2z.ingest.inspection import inspect_survey, sample_stamps
from pix2z.ingest.source import open_source

LIMITS = RowLimits(z_min=0.0, z_max=0.4, pdf_range=(0.0, 0.4))


def look(path, **options):
    with open_source(path) as survey:
        sample = sample_stamps(survey, **options)
        return inspect_survey(survey, sample, LIMITS), sample


def test_columns_are_judged_whole_and_pixels_on_a_sample(raw, write_raw):
    raw["e_bv"][:5] = np.nan
    path = write_raw(raw)
    found, sample = look(path, most_rows=20)
    assert found.layout == "sdss32"
    assert found.files == {str(path): 50}
    assert (found.n_rows, found.n_groups, found.n_moved) == (50, 40, 10)
    assert (found.redshift.n, found.ebv.n, found.mag_r.n) == (50, 45, 20)
    assert found.redshift.sd == pytest.approx(raw["specz_redshift"].std(), rel=1e-5)
    assert found.n_looked_at == len(np.unique(sample.rows)) == 20
    np.testing.assert_array_equal(sample.images, raw["images"].transpose(0, 2, 3, 1)[sample.rows])


def test_an_impossible_ebv_is_a_problem_with_its_number(raw, write_raw):
    raw["e_bv"][:3] = (99, -99, np.nan)
    found, _ = look(write_raw(raw))
    assert (found.ebv.n, found.ebv.high) == (47, pytest.approx(raw["e_bv"][3:].max()))
    sentence = "2 of 50 rows: E(B-V) is negative or above 3 mag, and taken as unknown"
    assert found.problems[0] == sentence


def test_positions_off_the_sky_are_no_part_of_their_range(raw, write_raw):
    raw["ra"][:2] = (np.finfo(float).max, -9999)
    found, _ = look(write_raw(raw))
    assert (found.ra.n, found.dec.n, found.ra.low, found.ra.high) == (48, 48, 10.0, 29.5)
    assert found.bad_rows["position is not on the sky"] == 2


def test_masks_and_absent_bands_are_shares_of_the_stamps_looked_at(raw, write_raw):
    raw["images"][:10, 0] = 0.0  # u was never measured
    raw["images"][10:20, 2, :16] = np.nan  # half of r is masked
    raw["images"][20:25] = np.nan
    raw["images"][25, 3, 4, 4] = np.inf
    found, _ = look(write_raw(raw))
    assert found.absent_share == pytest.approx({"u": 0.3, "g": 0.1, "r": 0.1, "i": 0.1, "z": 0.1})
    assert found.n_blank == 5
    there = 50 * 5 - 10 - 25
    assert found.masked_share == pytest.approx((10 * 0.5 + 1 / 1024) / there)
    assert found.mag_r.n == 45


def test_contents_are_listed_by_size_with_shapes_dtypes_and_units(tmp_path, write_raw):
    table = np.zeros(3, [("a", "f4"), ("b", "i8")])
    path = write_raw({"deep/er": np.zeros((3, 4)), "t": table, "name": np.array([b"abc"] * 9)})
    with h5py.File(path, "r+") as file:
        file["deep/er"].attrs["BUNIT"] = "nJy"
    found = file_contents(path)
    assert [(one.key, one.shape, one.unit) for one in found] == [
        ("deep/er", (3, 4), "nJy"),
        ("name", (9,), None),
        ("t", (3,), None),
    ]
    assert [one.is_number for one in found] == [True, False, False]
    np.savez_compressed(tmp_path / "x.npz", cube=np.zeros((2, 3), np.float32))
    (cube,) = file_contents(tmp_path / "x.npz")
    assert (cube.key, cube.shape, cube.dtype) == ("cube", (2, 3), "float32")


@pytest.mark.parametrize(
    ("shape", "bands"),
    [
        ((20, 5, 48, 48), "ugriz"),
        ((20, 3, 64, 64), None),  # which three is not known
    ],
)
def test_a_mapping_is_guessed_from_shapes_and_names(write_raw, shape, bands):
    n = shape[0]
    arrays = {
        "a/stamps": np.zeros(shape, np.float32),
        "a/Z_SPEC": np.zeros(n),
        "a/zerr": np.zeros(n),
        "a/objID": np.zeros(n, np.int64),
        "a/e_bv": np.zeros(n),
        "a/RA": np.zeros(n),
        "a/other": np.zeros((n, 2)),
        "b/z": np.zeros(n + 1),  # of other galaxies
    }
    found = suggested_mapping(file_contents(write_raw(arrays)))
    expected = {
        "images": "a/stamps",
        "redshift": "a/Z_SPEC",
        "redshift_error": "a/zerr",
        "object_id": "a/objID",
        "ebv": "a/e_bv",  # and no ra, since there is no dec
    }
    assert found == (expected | {"bands": bands} if bands else expected)


def test_zwarnings_and_classes_are_counted_and_bad_ones_named(raw, write_raw):
    n = len(raw["ObjID"])
    raw["zwarning"] = np.where(np.arange(n) < 3, 16, 0).astype(np.int32)
    raw["class"] = np.where(np.arange(n) < 30, b"QSO", b"GALAXY").astype("S6")
    path = write_raw(raw, name="spectra.h5")
    with open_source(path) as survey:
        limits = replace(LIMITS, z_warnings=(0,), classes=("GALAXY",))
        found = inspect_survey(survey, sample_stamps(survey), limits)
    assert list(found.z_warnings.items()) == [("0", 47), ("16", 3)]
    assert list(found.classes.items()) == [("QSO", 30), ("GALAXY", 20)]
    assert found.bad_rows["ZWARNING is not 0"] == 3
    assert found.bad_rows["spectral class is not GALAXY"] == 27
