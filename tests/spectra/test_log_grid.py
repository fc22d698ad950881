import numpy as np
import pytest

from pix2z.spectra.log_grid import log_grid


def test_a_redshift_is_a_shift():
    grid = log_grid(np.exp(8 + 1e-3 * np.arange(500)))
    assert (grid.start, grid.n) == (pytest.approx(8), 500)
    shifted = np.exp(grid.ln_wavelength) * (1 + np.expm1(7 * grid.step))
    np.testing.assert_allclose(shifted[:-7], np.exp(grid.ln_wavelength)[7:], rtol=1e-12)


def test_single_precision_of_sdss_is_accepted():
    loglam = np.arange(3.5826, 3.9634, 1e-4).astype(np.float32)
    grid = log_grid(10.0 ** loglam.astype(np.float64))
    assert grid.step == pytest.approx(1e-4 * np.log(10), rel=1e-4)


@pytest.mark.parametrize(
    ("wavelength", "said"),
    [
        (np.linspace(4000, 9000, 100), "equal steps of its logarithm"),
        (np.geomspace(9000, 4000, 100), "equal steps"),
        (np.full(100, 5000.0), "equal steps"),
        (np.delete(np.geomspace(4000, 9000, 100), 50), "pixels from its place"),
        (np.array([4000.0, np.nan, 4002.0]), "finite and positive"),
        (np.array([-1.0, 1.0, 2.0]), "finite and positive"),
        (np.array([4000.0]), "2 or more"),
        (np.ones((3, 3)), "got shape"),
    ],
)
def test_other_wavelengths_are_refused(wavelength, said):
    with pytest.raises(ValueError, match=said):
        log_grid(wavelength)
