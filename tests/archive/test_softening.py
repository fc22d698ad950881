import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pix2z.archive.sdss_file import soften
from tests.conftest import artificial_stamps


@pytest.fixture
def stamps():
    return artificial_stamps(np.linspace(0.05, 0.3, 6), seed=4)


def test_softened_pixels_lie_between_0_and_1_and_take_brightness_away(stamps):
    softened = soften(stamps)
    assert softened.min() >= 0
    assert softened.max() <= 1
    np.testing.assert_allclose(soften(100 * stamps), softened, rtol=1e-4, atol=1e-5)


def test_it_is_what_its_formula_says(stamps):
    x = stamps / stamps.max(axis=(1, 2), keepdims=True)
    blended = (x + gaussian_filter(x, (0, 1, 1, 0))) / 2
    expected = np.log1p(10 * np.maximum(blended, 0) ** 0.8) / np.log(11)
    np.testing.assert_allclose(soften(stamps), np.minimum(expected, 1), rtol=1e-4, atol=1e-5)


def test_nan_stays_nan_and_dims_nothing_beside_it(stamps):
    stamps[0, :, :, 3] = np.nan
    stamps[1, 20:, :, :] = np.nan
    softened = soften(stamps)
    np.testing.assert_array_equal(np.isnan(softened), np.isnan(stamps))
    flat = np.ones((1, 32, 32, 1), np.float32)
    flat[:, 16:] = np.nan
    np.testing.assert_allclose(soften(flat)[:, :16], 1.0, rtol=1e-5)
    assert (soften(-np.ones((1, 32, 32, 5), np.float32)) == 0).all()
