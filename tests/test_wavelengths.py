import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.errors import InputError
from pix2z.wavelengths import WavelengthGrid, binned, in_vacuum, said_to_be_in, wavelength_grid


@given(low=st.floats(100, 5000), ratio=st.floats(1.01, 10), n=st.integers(2, 500))
def test_wavelengths_are_evenly_spaced_in_their_logarithm(low, ratio, n):
    grid = WavelengthGrid(low, low * ratio, n)
    assert grid.values.shape == (n,)
    assert grid.values[[0, -1]] == pytest.approx([low, low * ratio])
    np.testing.assert_allclose(np.diff(np.log(grid.values)), grid.step, rtol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "n", "words"),
    [
        (0.0, 9200.0, 10, "0 < low < high"),
        (9200.0, 3800.0, 10, "0 < low < high"),
        (3800.0, float("inf"), 10, "0 < low < high"),
        (3800.0, 9200.0, 1, "n must be at least 2"),
    ],
)
def test_an_impossible_grid_is_refused(low, high, n, words):
    with pytest.raises(ValueError, match=words):
        WavelengthGrid(low, high, n)


def test_single_precision_of_sdss_is_accepted():
    loglam = np.arange(3.5826, 3.9634, 1e-4).astype(np.float32)
    grid = wavelength_grid(10.0 ** loglam.astype(np.float64))
    assert grid.step == pytest.approx(1e-4 * np.log(10), rel=1e-4)


@pytest.mark.parametrize(
    ("wavelength", "said"),
    [
        (np.linspace(4000, 9000, 100), "equal steps of its logarithm"),
        (np.geomspace(9000, 4000, 100), "equal steps"),
        (np.delete(np.geomspace(4000, 9000, 100), 50), "pixels from its place"),
        (np.array([4000.0, np.nan, 4002.0]), "finite and positive"),
        (np.array([4000.0]), "2 or more"),
        (np.ones((3, 3)), "got shape"),
    ],
)
def test_other_wavelengths_are_refused(wavelength, said):
    with pytest.raises(ValueError, match=said):
        wavelength_grid(wavelength)


@given(length=st.integers(1, 200), data=st.data())
def test_bins_are_the_means_of_all_pixels_in_order(length, data):
    n = data.draw(st.integers(1, length))
    flux = np.random.default_rng(length).normal(size=(3, length))
    expected = [part.mean(axis=1) for part in np.array_split(flux, n, axis=1)]
    np.testing.assert_allclose(binned(flux, n), np.stack(expected, axis=1), rtol=1e-4, atol=1e-6)


def test_air_wavelengths_become_those_of_the_laboratory_in_vacuum():
    """Values of IDL's AIRTOVAC (a krypton line) and of NIST: O II, H beta, H alpha."""
    air = [1999.0, 3726.032, 4861.325, 6056.125, 6562.79]
    vacuum = [1999.0, 3727.092, 4862.683, 6057.8019, 6564.603]
    np.testing.assert_allclose(in_vacuum(air, {"medium": "air"}, "x"), vacuum, rtol=5e-7)
    np.testing.assert_array_equal(in_vacuum(air, {"medium": "vacuum"}, "x"), air)


@pytest.mark.parametrize(
    ("name", "text", "medium"),
    [
        ("VACUUM", "True", "vacuum"),
        ("vacuum", "0", "air"),
        ("in_air", "yes", "air"),
        ("wavelength air", "False", "vacuum"),
        ("AIRORVAC", "vac", "vacuum"),
        ("TCTYP2", "AWAV", "air"),
        ("CTYPE1", "WAVE", None),
        ("wavelength description", "converted from air to vacuum", "vacuum"),
        ("AIRMASS", "1", None),
        ("AIRTEMP", "7", None),
        ("source", "observed by the Air Force", None),
        ("CTYPE1", "RA---TAN", None),
    ],
)
def test_what_a_file_says_of_air_is_understood(name, text, medium):
    assert said_to_be_in({name: text, "unit": "Angstrom"}, "x") == medium


def test_air_and_vacuum_at_once_are_refused():
    said = {"VACUUM": "True", "CTYPE1": "AWAV"}
    with pytest.raises(InputError, match="x: expected .*; received both, as attribute 'CTYPE1'"):
        said_to_be_in(said, "x")
