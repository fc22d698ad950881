from pathlib import Path

import numpy as np
import pytest

from pix2z.archive.sdss.spectral_grid import LOGLAM, on_common_grid
from pix2z.archive.sdss_spectra import read_sdss_spectrum
from pix2z.errors import InputError
from tests.archive.synthetic_sdss import spectrum_bytes


@pytest.fixture
def spectrum(tmp_path):
    def make(**options):
        path = Path(tmp_path / "spec.fits")
        path.write_bytes(spectrum_bytes(**options))
        return read_sdss_spectrum(path)

    return make


def test_the_grid_is_that_of_sdss():
    assert LOGLAM[0] == 3.55
    assert LOGLAM[-1] == 4.02
    np.testing.assert_allclose(np.diff(LOGLAM), 1e-4, rtol=1e-9)


@pytest.mark.parametrize(
    ("first", "count", "start", "stop", "begin"),
    [
        (35_800, 200, 300, 500, 0),
        (35_499, 4, 0, 3, 1),  # begins one pixel before the grid
        (40_199, 10, 4699, 4701, 0),  # ends beyond it
    ],
)
def test_every_pixel_keeps_its_wavelength_and_value(spectrum, first, count, start, stop, begin):
    found = spectrum(first=first, count=count)
    arrays = on_common_grid(found)
    values = np.arange(begin, begin + stop - start)
    assert {values.dtype for values in arrays.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(arrays["flux"][start:stop], values)
    np.testing.assert_array_equal(arrays["model"][start:stop], values + 0.5)
    np.testing.assert_array_equal(arrays["ivar"][start:stop], 2.0)
    off = np.ones(len(LOGLAM), bool)
    off[start:stop] = False
    assert np.isnan(arrays["flux"][off]).all()
    assert np.isnan(arrays["model"][off]).all()
    assert (arrays["ivar"][off] == 0).all()
    wavelength = found.wavelength[begin : begin + stop - start]
    np.testing.assert_allclose(10 ** LOGLAM[start:stop], wavelength, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step": 1.5}, "expected loglam in steps of 0.0001, upwards"),
        ({"step": -1.0}, "expected column 'loglam' to increase"),
        ({"step": 0.0}, "expected column 'loglam' to increase"),
        ({"step": np.nan}, "expected column 'loglam' to increase"),
        ({"first": 45_000}, "no pixel between 3.55 and 4.02 dex"),
    ],
)
def test_other_pixels_are_refused(spectrum, options, words):
    with pytest.raises(InputError, match=words):
        on_common_grid(spectrum(**options))
