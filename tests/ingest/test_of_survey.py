"""One word for a survey: its bands, zero point and pixel scale, and what contradicts them."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from pix2z.cli.reading import read_mapping
from pix2z.errors import InputError, ParamsError
from tests.ingest.layout_files import read

N, SIDE = 3, 60
SECONDS = (516.0, 480.0, 540.0, 360.0)
PER_SECOND = 10 ** (0.4 * (22.5 - 25))
"""Nanomaggies of one count per second."""


def write(path, *, n_bands=4, side=SIDE, **attributes):
    """Write counts of flux 1 in every pixel of the first galaxy, 2 in the second, ..."""
    counts = np.ones((N, n_bands, side, side)) * np.arange(1, N + 1)[:, None, None, None]
    with h5py.File(path, "w") as file:
        file["images"] = counts
        file["images"].attrs.update(attributes)
    return path


def test_pan_starrs_is_one_word_and_u_is_an_absent_band(tmp_path):
    path = write(tmp_path / "ps.h5", EXPTIME=SECONDS)
    images, survey = read(path, survey="panstarrs")
    assert images.shape == (N, 32, 32, 5)
    assert np.isnan(images[..., 0]).all()
    expected = PER_SECOND / np.array(SECONDS) * (0.396 / 0.25) ** 2
    np.testing.assert_allclose(images[1, 10, 10, 1:], 2 * expected, rtol=1e-5)
    assert survey.converted["bands"] == "read as g r i z, as survey panstarrs says; absent: u"
    assert survey.converted["pixel scale"].startswith(
        "0.25 arcsec, as survey panstarrs says, resampled"
    )
    assert survey.converted["unit"].startswith("AB zero point 25 of survey panstarrs")
    assert survey.converted["unit"].endswith("over 516, 480, 540, 360 s of exposure")


def test_it_says_the_same_as_its_values_one_by_one(tmp_path):
    path = write(tmp_path / "des.h5")
    images, _ = read(path, survey="des")
    same, _ = read(path, bands="griz", zero_point=30, pixel_scale=0.263)
    np.testing.assert_array_equal(images, same)
    sdss = write(tmp_path / "sdss.h5", n_bands=5, side=40)
    same, _ = read(sdss, unit="nanomaggy")
    np.testing.assert_array_equal(read(sdss, survey="sdss")[0], same)


def test_what_the_user_gives_goes_before_the_survey(tmp_path):
    path = write(tmp_path / "ps.h5", n_bands=2)
    images, survey = read(path, survey="panstarrs", bands="ri", unit="nJy", pixel_scale=0.258)
    assert np.isfinite(images).all(axis=(0, 1, 2)).tolist() == [False, False, True, True, False]
    assert survey.converted["bands"] == "read as r i; absent: u g z"
    assert survey.converted["pixel scale"].startswith("0.258 arcsec, resampled")
    assert survey.converted["unit"].startswith("nJy: times")


@pytest.mark.parametrize("bands", ["gr", "zig"])
def test_a_file_may_have_fewer_bands_than_its_survey(tmp_path, bands):
    path = write(tmp_path / "some.h5", n_bands=len(bands), bands=bands)
    images, survey = read(path, survey="des")
    there = np.isfinite(images).all(axis=(0, 1, 2))
    assert there.tolist() == [band in bands for band in "ugriz"]
    assert "as attribute 'bands'" in survey.converted["bands"]


@pytest.mark.parametrize(
    ("survey", "attributes", "words"),
    [
        ("des", {"pixel_scale": 0.396}, r"'pixel_scale' .* contradicts what is given, 0.263 of"),
        ("des", {"zero_point": 22.5}, r"22.5 contradicts what is given, AB zero point 30 of surv"),
        (
            "des",
            {"unit": "nJy"},
            r"'nJy' contradicts what is given, AB zero point 30 of s",
        ),
        ("des", {"bands": "ugri"}, r"bands 'ugri', as .* says: DES has griz, and no u"),
        ("panstarrs", {}, r"survey panstarrs is that of a second's counts: expected EXPTIME"),
        ("panstarrs", {"exptime": [1.0, 2.0]}, r"for each of the bands 'griz'; received .*exptime"),
        ("panstarrs", {"exptime": -1.0}, r"expected EXPTIME in seconds"),
    ],
)
def test_a_file_that_says_something_else_is_refused_in_one_line(
    tmp_path, survey, attributes, words
):
    path = write(tmp_path / "other.h5", **attributes)
    with pytest.raises(InputError, match=words) as caught:
        read(path, survey=survey)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cut_outs_of_pan_starrs_as_its_archive_gives_them(tmp_path):
    """An image per band with cards as in the cut-outs of MAST: a zero point, and its exposure."""
    for band, seconds in zip("griz", SECONDS, strict=True):
        hdu = fits.PrimaryHDU(np.full((SIDE, SIDE), 3.0, np.float32))
        hdu.header.update(EXPTIME=seconds, CTYPE1="RA---TAN", CTYPE2="DEC--TAN")
        hdu.header.update(CDELT1=-0.25 / 3600, CDELT2=0.25 / 3600, CRPIX1=30.5, CRPIX2=30.5)
        hdu.header["HIERARCH FPA.FILTERID"] = f"{band}.00000"
        hdu.header["HIERARCH FPA.ZP"] = 25.0
        hdu.writeto(tmp_path / f"cutout.stk.{band}.fits")
    images, survey = read(tmp_path, survey="panstarrs")
    expected = 3 * PER_SECOND / np.array(SECONDS) * (0.396 / 0.25) ** 2
    np.testing.assert_allclose(images[0, 16, 16, 1:], expected, rtol=1e-5)
    assert np.isnan(images[0, ..., 0]).all()
    assert "over 516, 540, 480, 360 s" in survey.converted["unit"]


def test_an_unknown_survey_is_named(tmp_path):
    with pytest.raises(ParamsError, match="survey: expected one of sdss, panstarrs, des; rec.*2dF"):
        read_mapping(None, ["survey=2dF"])
