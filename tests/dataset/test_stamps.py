"""The entrance of every estimator: what a galaxy is, whatever library its array comes from."""

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from astropy.table import MaskedColumn
from astropy.utils.masked import Masked
from hypothesis import given
from hypothesis import strategies as st

from pix2z.dataset.stamps import (
    clean_images,
    clean_stamps,
    doubtful_rows,
    impossible_ebv,
    known_ebv,
)
from pix2z.errors import InputError
from pix2z.imaging import LARGEST_PIXEL

IMAGES = np.random.default_rng(0).normal(0.1, 0.05, (2, 32, 32, 5)).astype(np.float32)
EBV = np.array([0.1, 0.2], np.float32)
HIDDEN = np.zeros(IMAGES.shape, bool)
HIDDEN[1, 3:5, 7, 2] = True
MASKED = np.where(HIDDEN, np.float32(np.nan), IMAGES)


def test_clean_stamps_are_left_alone():
    images, ebv = clean_stamps(IMAGES, EBV)
    assert images is IMAGES
    np.testing.assert_array_equal(ebv, EBV)


@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (np.s_[0, ..., 1], 0.0),
        (np.s_[0, ..., 1], -0.0),
        (np.s_[0, 5, 6, 2], np.inf),
        (np.s_[0, 5, 6, 2], -1e20),
        (np.s_[0, 5, 6, 2], 9.97e36),  # netCDF's sign for "none"
    ],
)
def test_what_was_never_measured_is_nan(spoil, value):
    dirty, expected = IMAGES.copy(), IMAGES.copy()
    dirty[spoil], expected[spoil] = value, np.nan
    np.testing.assert_array_equal(clean_stamps(dirty)[0], expected)


def test_a_band_of_zeros_with_masked_pixels_is_absent_too():
    dirty = IMAGES.copy()
    dirty[0, ..., 1], dirty[0, :3, :3, 1], dirty[0, 4, 4, 1] = 0, np.nan, np.inf
    found = clean_stamps(dirty)[0]
    assert np.isnan(found[0, ..., 1]).all()
    assert np.isfinite(np.delete(found[0], 1, axis=-1)).all()


@given(st.floats(width=32))
def test_ebv_is_known_from_0_to_3_and_unknown_beyond(value):
    (known,), (impossible,) = known_ebv(np.array([value])), impossible_ebv(np.array([value]))
    assert known == value if 0 <= value <= 3 else np.isnan(known)
    assert impossible == (np.isnan(known) and not np.isnan(value))


MASKED_FORMS = {
    "numpy": np.ma.masked_array(IMAGES, HIDDEN),
    "numpy, of integers under it": np.ma.masked_array(np.rint(IMAGES * 9).astype(int), HIDDEN),
    "astropy": Masked(IMAGES, mask=HIDDEN),
    "astropy, with a unit": Masked(IMAGES * u.nmgy, mask=HIDDEN),
    "list of stamps": [np.ma.masked_array(IMAGES[row], HIDDEN[row]) for row in (0, 1)],
    "CCDData": CCDData(IMAGES, mask=HIDDEN, unit="nmgy"),
}


@pytest.mark.parametrize("form", MASKED_FORMS)
def test_a_mask_becomes_nan(form):
    found = clean_stamps(MASKED_FORMS[form])[0]
    expected = np.rint(MASKED * 9) if "integers" in form else MASKED
    np.testing.assert_array_equal(found, expected)


UNKNOWN_FIRST = {
    "numpy": np.ma.masked_array(EBV, [True, False]),
    "numpy, one by one": [np.ma.masked, EBV[1]],
    "astropy's column": MaskedColumn(EBV, mask=[True, False], unit="mag"),
    "pandas": pd.Series([None, EBV[1]], dtype="Float32"),
    "None": [None, EBV[1]],
}


@pytest.mark.parametrize("form", UNKNOWN_FIRST)
def test_a_masked_ebv_is_unknown(form):
    found = clean_stamps(IMAGES, UNKNOWN_FIRST[form])[1]
    np.testing.assert_array_equal(found, np.array([np.nan, EBV[1]], np.float32))


def test_a_unit_is_converted(tmp_path):
    """A nanomaggy is 3.631 microjansky."""
    microjansky = IMAGES.astype(np.float64) * 3.631
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = microjansky
        file["images"].attrs["unit"] = "uJy"
        forms = [microjansky * u.uJy, list(microjansky * u.uJy), file["images"]]
        for name in ("BUNIT", "Flux Unit"):
            forms.append(file.create_dataset(name, data=microjansky))
            forms[-1].attrs[name] = np.array([b"uJy"])
        for form in (*forms, IMAGES * u.nmgy, IMAGES / 1e9 * u.maggy):
            np.testing.assert_allclose(clean_stamps(form)[0], IMAGES, rtol=1e-6)
    for ebv in (EBV * u.mag, EBV * 1000 * u.mmag, EBV * u.dimensionless_unscaled):
        np.testing.assert_allclose(clean_stamps(IMAGES, ebv)[1], EBV, rtol=1e-6)


STORED_OTHERWISE = {
    **dict.fromkeys(["scale_factor", "add_offsets", "_FillValue", "ZP", "MAGZERO", "zp_r"], 2.0),
    **{"magnitude_zero_point": 30, "fluxmag0": 1e9, "pixel_scale": 0.2, "bands": "zirgu"},
}


@pytest.mark.parametrize("name", STORED_OTHERWISE)
def test_an_array_in_a_file_that_is_stored_otherwise_is_refused(tmp_path, name):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = IMAGES
        file["images"].attrs[name] = STORED_OTHERWISE[name]
        with pytest.raises(InputError, match=f"images: attribute '{name}': expected numbers"):
            clean_stamps(file["images"])


def test_units_have_the_spellings_of_files_and_an_empty_attribute_says_nothing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = IMAGES
        attributes = file["images"].attrs
        attributes["missing_value"], attributes["units"] = h5py.Empty("f4"), h5py.Empty("S1")
        for unit in ("Nanomaggy", "nanomaggy / pixel", "nanomaggies"):
            attributes["units_of_images"] = unit
            np.testing.assert_array_equal(clean_stamps(file["images"])[0], IMAGES)
        attributes["BUNIT"] = "uJy"
        with pytest.raises(
            InputError, match="expected numbers in nanomaggy; received 'uJy' and 'nano"
        ):
            clean_stamps(file["images"])


@pytest.mark.parametrize(
    ("images", "ebv", "words"),
    [
        (IMAGES * u.adu, None, "images: expected numbers in nanomaggy; received 'adu'"),
        (IMAGES * u.ABmag, None, r"images: expected numbers in nanomaggy; received 'mag\(AB\)'"),
        (IMAGES * u.nmgy / u.arcsec**2, None, "images: expected numbers in nanomaggy; received"),
        (IMAGES, EBV * u.uJy, "ebv: expected numbers in mag; received 'uJy'"),
        (IMAGES, pd.Series(["a", "b"], dtype="string"), "ebv: expected real numbers; received an"),
        ([IMAGES[0], IMAGES[0, :5]], None, "images: expected parts of one shape"),
        (None, None, r"images: expected shape \(N, 32, 32, 5\); received \(\)"),
    ],
)
def test_another_quantity_is_refused_by_name(images, ebv, words):
    with pytest.raises(InputError, match=words):
        clean_stamps(images, ebv)


def test_only_doubtful_stamps_are_changed_and_as_if_all_were_looked_at():
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (12, 32, 32, 5)).astype(np.float32)
    images[1, ..., 2], images[2], images[3, 4, 4, 0] = 0, np.nan, np.inf
    images[4, 5, 5, 1], images[5, 16, 16, 3], images[6, :9] = -1e11, 0, np.nan
    images[7, ..., 4] = np.where(rng.random((32, 32)) < 0.5, 0, np.nan)
    before = images.copy()
    measured = np.abs(images) <= LARGEST_PIXEL
    measured &= (measured & (images != 0)).any(axis=(1, 2), keepdims=True)
    np.testing.assert_array_equal(clean_images(images), np.where(measured, images, np.nan))
    np.testing.assert_array_equal(images, before)
    assert doubtful_rows(images).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert np.shares_memory(clean_images(images[8:]), images)
    assert len(doubtful_rows(images[:0])) == 0
