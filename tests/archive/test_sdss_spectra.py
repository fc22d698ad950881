import numpy as np
import pytest
from astropy.io import fits

from pix2z.archive.sdss_spectra import LOGLAM as GRID
from pix2z.archive.sdss_spectra import on_common_grid, read_sdss_spectrum
from pix2z.errors import InputError
from tests.archive.synthetic_sdss import spectrum_bytes

L = 60
LOGLAM = np.linspace(3.58, 3.96, L).astype(np.float32)
COADD = {
    "flux": np.linspace(1, 2, L).astype(np.float32),
    "loglam": LOGLAM,
    "ivar": np.full(L, 4.0, np.float32),
    "model": np.full(L, 1.5, np.float32),
}
SPECOBJ = {
    "Z": np.float32([0.125]),
    "Z_ERR": np.float32([1e-5]),
    "ZWARNING": np.int32([16]),
    "CLASS": np.array(["GALAXY "]),
    "PLUG_RA": np.float64([229.5]),
    "PLUG_DEC": np.float64([-42.7]),
    "OBJID": np.int32([[752, 1, 3, 18, 77]]),
}


def column(name, values):
    kinds = {"f4": "E", "f8": "D", "i4": "J", "i8": "K"}
    code = kinds.get(values.dtype.str[1:], f"{values.dtype.itemsize // 4}A")
    size = "" if values.ndim == 1 else str(values.shape[1])
    return fits.Column(name, size + code, array=values)


def table(columns):
    """Table of the columns that are not None."""
    kept = [column(name, values) for name, values in columns.items() if values is not None]
    return fits.BinTableHDU.from_columns(kept)


def write(path, coadd=None, specobj=None):
    tables = [table(COADD | (coadd or {})), table(SPECOBJ | (specobj or {}))]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    return path


def test_what_is_in_the_file_is_read(tmp_path):
    found = read_sdss_spectrum(write(tmp_path / "spec.fits"))
    np.testing.assert_allclose(np.log10(found.wavelength), LOGLAM, rtol=1e-9)
    for name in ("flux", "ivar", "model"):
        np.testing.assert_array_equal(getattr(found, name), COADD[name])
    assert (found.z, found.z_error) == (np.float32(0.125), np.float32(1e-5))
    assert (found.z_warning, found.spectral_class) == (16, "GALAXY")
    assert (found.ra, found.dec) == (229.5, -42.7)
    assert (found.run, found.camcol, found.field) == (752, 3, 18)


def test_columns_of_any_case_in_a_compressed_file(tmp_path):
    upper = table({name.upper(): values for name, values in COADD.items()})
    lower = table({name.lower(): values for name, values in SPECOBJ.items()})
    path = tmp_path / "spec.fits.gz"
    fits.HDUList([fits.PrimaryHDU(), upper, lower]).writeto(path)
    assert read_sdss_spectrum(path).run == 752


def test_bad_pixels_have_no_weight_and_no_flux(tmp_path):
    flux, ivar = COADD["flux"].copy(), COADD["ivar"].copy()
    flux[:2] = np.nan, np.inf
    ivar[2:5] = np.nan, -1, 0
    found = read_sdss_spectrum(write(tmp_path / "s.fits", {"flux": flux, "ivar": ivar}))
    np.testing.assert_array_equal(found.ivar[:5], 0)
    np.testing.assert_array_equal(found.flux[:5], 0)
    assert (found.ivar[5:] == 4).all()


@pytest.mark.parametrize(
    ("coadd", "specobj", "said"),
    [
        ({"flux": np.ones((L, 2), np.float32)}, {}, r"column 'flux'; received \(60, 2\)"),
        ({"loglam": LOGLAM[::-1].copy()}, {}, "'loglam' to increase"),
        ({"loglam": (10**LOGLAM).astype(np.float32)}, {}, "log10 of Angstrom; received 60 values"),
        ({}, {"Z": np.array(["0.1 "])}, "HDU 2: expected one number per row in column 'Z'"),
        ({"ivar": None}, {}, "HDU 1 has no column 'ivar'"),
        ({}, {"ZWARNING": None}, "HDU 2 has no column 'ZWARNING'"),
        ({name: values[:0] for name, values in COADD.items()}, {}, "HDU 1 has no rows"),
    ],
)
def test_columns_that_are_missing_or_of_the_wrong_kind_are_named(tmp_path, coadd, specobj, said):
    path = write(tmp_path / "s.fits", coadd, specobj)
    with pytest.raises(InputError, match=said) as error:
        read_sdss_spectrum(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", ["html", "image", "one table", "nothing"])
def test_what_is_no_spectrum_is_one_line(tmp_path, kind):
    path = tmp_path / "spec.fits"
    if kind == "html":
        path.write_text("<!DOCTYPE html><title>404 Not Found</title>")
    elif kind == "image":
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((5, 5)))]).writeto(path)
    elif kind == "one table":
        with fits.open(write(tmp_path / "whole.fits")) as hdus:
            hdus[:2].writeto(path)
    with pytest.raises(InputError) as error:
        read_sdss_spectrum(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_cut_anywhere_before_its_last_table_ends_is_one_line(tmp_path):
    whole = write(tmp_path / "whole.fits").read_bytes()
    with fits.open(tmp_path / "whole.fits") as hdus:
        info = hdus[2].fileinfo()
        end = info["datLoc"] + hdus[2].data.nbytes
    path = tmp_path / "cut.fits"
    for length in np.linspace(0, end - 1, 15).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.fits: ") as error:
            read_sdss_spectrum(path)
        assert "\n" not in str(error.value)


def test_altered_bytes_are_read_or_refused_in_one_line(tmp_path):
    whole = write(tmp_path / "whole.fits").read_bytes()
    rng = np.random.default_rng(3)
    path, said = tmp_path / "altered.fits", []
    for _ in range(60):
        altered = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 20)):
            altered[place] = rng.integers(0, 256)
        path.write_bytes(bytes(altered))
        try:
            read_sdss_spectrum(path)
        except InputError as error:
            said.append(str(error))
    assert len(said) > 5
    assert not [line for line in said if "\n" in line]


# The common grid


@pytest.fixture
def spectrum(tmp_path):
    def make(**options):
        path = tmp_path / "spec.fits"
        path.write_bytes(spectrum_bytes(**options))
        return read_sdss_spectrum(path)

    return make


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
