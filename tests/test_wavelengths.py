import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.wavelengths import WavelengthGrid, binned


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
        (3800.0, 3800.0, 10, "0 < low < high"),
        (float("nan"), 9200.0, 10, "0 < low < high"),
        (3800.0, float("inf"), 10, "0 < low < high"),
        (3800.0, 9200.0, 1, "n must be at least 2"),
    ],
)
def test_an_impossible_grid_is_refused(low, high, n, words):
    with pytest.raises(ValueError, match=words):
        WavelengthGrid(low, high, n)


@given(length=st.integers(1, 200), data=st.data())
def test_bins_are_the_means_of_all_pixels_in_order(length, data):
    n = data.draw(st.integers(1, length))
    flux = np.random.default_rng(length).normal(size=(3, length))
    expected = [part.mean(axis=1) for part in np.array_split(flux, n, axis=1)]
    np.testing.assert_allclose(binned(flux, n), np.stack(expected, axis=1), rtol=1e-4, atol=1e-6)
