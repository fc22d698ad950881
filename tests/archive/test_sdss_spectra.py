import numpy as np
import pytest
from astropy.io import fits

from pix2z.archive.sdss_spectra import LOGLAM as GRID
from pix2z.archive.sdss_spectra import on_common_grid, read_sdss_spectrum
from pix2z.errors import InputError
from tests.archive.synthetic_sdss import spectrum_bytes

L = 60
FLUX = np.linspace(1, 2, L).astype(np.float32)
LOGLAM = np.linspace(3.58, 3.96, L).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spec.fits"


@pytest.fixture
def spectrum(path):
    def make(**options):
        path.write_bytes(spectrum_bytes(**options))
        return read_sdss_spectrum(path)

    return make


def test_what_is_in_the_file_is_read(spectrum):
    found = spectrum(
        count=L, loglam=LOGLAM, flux=FLUX, z=0.125, ra=229.5, dec=-42.7, field=(752, 3, 18)
    )
    np.testing.assert_allclose(np.log10(found.wavelength), LOGLAM, rtol=1e-9)
    np.testing.assert_array_equal(found.flux, FLUX)
    np.testing.assert_array_equal(found.ivar, 2.0)
    assert (found.z, found.z_error) == (np.float32(0.125), np.float32(1e-5))
    assert (found.z_warning, found.spectral_class) == (0, "GALAXY")
    assert (found.ra, found.dec) == (229.5, -42.7)
    assert (found.run, found.camcol, found.field) == (752, 3, 18)


def test_columns_of_any_case_in_a_compressed_file(spectrum, path, tmp_path):
    spectrum(field=(752, 3, 18))
    with fits.open(path) as hdus:
        for column in hdus[1].columns:
            column.name = column.name.upper()
        for column in hdus[2].columns:
            column.name = column.name.lower()
        hdus.writeto(tmp_path / "spec.fits.gz")
    assert read_sdss_spectrum(tmp_path / "spec.fits.gz").run == 752


@pytest.mark.parametrize(
    ("hdu", "card", "value", "in_air"),
    [
        (0, "VACUUM", False, True),
        (0, "AIRORVAC", "air", True),
        (1, "CTYPE1", "AWAV-LOG", True),
        (1, "TUNIT2", "log10(Angstrom in air)", True),
        (1, "TTYPE2", ("loglam", "log10 of the air wavelength"), True),
        (0, "VACUUM", True, False),
        (0, "COMMENT", "Wavelength calibration: the Air Force's", False),
    ],
)
def test_wavelengths_that_a_header_says_are_in_air_are_converted(
    spectrum, path, hdu, card, value, in_air
):
    spectrum(count=L, loglam=LOGLAM)
    with fits.open(path, mode="update") as hdus:
        assert hdus[1].columns.names[1] == "loglam"
        hdus[hdu].header[card] = value
    ratio = read_sdss_spectrum(path).wavelength / 10.0 ** LOGLAM.astype(np.float64)
    expected = [1.0002840, 1.0002743] if in_air else [1.0, 1.0]
    np.testing.assert_allclose(ratio[[0, -1]], expected, rtol=0, atol=3e-7)


def test_a_header_that_says_both_is_refused(spectrum, path):
    spectrum(count=L, loglam=LOGLAM)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["VACUUM"], hdus[1].header["CTYPE1"] = True, "AWAV"
    with pytest.raises(InputError, match=f"{path}: loglam: expected .*'CTYPE1' says air"):
        read_sdss_spectrum(path)


def test_bad_pixels_have_no_weight_and_no_flux(spectrum):
    flux, ivar = FLUX.copy(), np.full(L, 4.0, np.float32)
    flux[:2] = np.nan, np.inf
    ivar[2:5] = np.nan, -1, 0
    found = spectrum(count=L, flux=flux, ivar=ivar)
    np.testing.assert_array_equal(found.ivar[:5], 0)
    np.testing.assert_array_equal(found.flux[:5], 0)
    assert (found.ivar[5:] == 4).all()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"flux": np.ones((L, 2), np.float32)}, r"column 'flux'; received \(60, 2\)"),
        ({"loglam": LOGLAM[::-1].copy()}, "'loglam' to increase"),
        ({"loglam": 10**LOGLAM}, "log10 of Angstrom; received 60 values"),
        ({"Z": np.array(["0.1 "])}, "HDU 2: expected one number per row in column 'Z'"),
        ({"ivar": None}, "HDU 1 has no column 'ivar'"),
        ({"ZWARNING": None}, "HDU 2 has no column 'ZWARNING'"),
        ({"count": 0}, "HDU 1 has no rows"),
    ],
)
def test_columns_that_are_missing_or_of_the_wrong_kind_are_named(spectrum, path, columns, said):
    with pytest.raises(InputError, match=said) as error:
        spectrum(**{"count": L} | columns)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", ["html", "image", "nothing"])
def test_what_is_no_spectrum_is_one_line(path, kind):
    if kind == "html":
        path.write_text("<!DOCTYPE html><title>404 Not Found</title>")
    elif kind == "image":
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((5, 5)))]).writeto(path)
    with pytest.raises(InputError) as error:
        read_sdss_spectrum(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_or_altered_is_read_or_refused_in_one_line(spectrum, path):
    spectrum(count=L)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    said = []
    for k in range(60):
        altered = bytearray(whole)
        if k % 3:
            for place in rng.integers(0, len(whole), rng.integers(1, 20)):
                altered[place] = rng.integers(0, 256)
        else:
            del altered[rng.integers(len(whole)) :]
        path.write_bytes(bytes(altered))
        try:
            read_sdss_spectrum(path)
        except InputError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in said)


@pytest.mark.parametrize(
    ("first", "count", "start", "stop", "begin"),
    [
        (35_499, 4, 0, 3, 1),  # begins one pixel before the grid
        (40_199, 10, 4699, 4701, 0),  # ends beyond the grid
    ],
)
def test_every_pixel_keeps_its_wavelength_and_value(spectrum, first, count, start, stop, begin):
    read = spectrum(first=first, count=count)
    arrays = on_common_grid(read)
    np.testing.assert_allclose(GRID, np.linspace(3.55, 4.02, 4701), rtol=1e-12)
    values = np.arange(begin, begin + stop - start)
    assert {values.dtype for values in arrays.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(arrays["flux"][start:stop], values)
    np.testing.assert_array_equal(arrays["model"][start:stop], values + 0.5)
    np.testing.assert_array_equal(arrays["ivar"][start:stop], 2.0)
    off = np.ones(len(GRID), bool)
    off[start:stop] = False
    assert np.isnan(arrays["flux"][off]).all()
    assert np.isnan(arrays["model"][off]).all()
    assert (arrays["ivar"][off] == 0).all()
    wavelength = read.wavelength[begin : begin + stop - start]
    np.testing.assert_allclose(10 ** GRID[start:stop], wavelength, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step": 1.5}, "expected loglam in steps of 0.0001, upwards"),
        ({"first": 45_000}, "no pixel between 3.55 and 4.02 dex"),
    ],
)
def test_other_pixels_are_refused(spectrum, options, words):
    with pytest.raises(InputError, match=words):
        on_common_grid(spectrum(**options))
