import keras
import numpy as np
import pytest

from pix2z.dataset.photometry import (
    APERTURE_RADII_ARCSEC,
    aperture_photometry,
    aperture_weights,
    reflect_masked,
)
from pix2z.imaging import EXTINCTION_PER_EBV, SKY_SIGMA
from pix2z.network.architectures import measuring_model, photometry_model
from pix2z.network.layers import ReflectMasked
from tests.network.conftest import HYBRID

N_APERTURES = len(APERTURE_RADII_ARCSEC)


@pytest.fixture(scope="module")
def front() -> tuple[keras.Model, keras.Model]:
    return measuring_model(HYBRID), photometry_model(HYBRID)


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(3)
    stamps = rng.normal(0, 0.05, (6, 32, 32, 5)).astype(np.float32)
    stamps[:, 12:20, 12:20] += 2.0
    return stamps


def features_of(front: tuple, images: np.ndarray, ebv: np.ndarray) -> tuple:
    measuring, photometry = front
    measured = measuring.predict_on_batch({"images": images})
    inputs = {**measured, "ebv": ebv.astype(np.float32)}
    return tuple(np.asarray(part) for part in photometry.predict_on_batch(inputs))


def test_the_layer_measures_what_the_numpy_photometry_measures(front, images):
    images[1, :6] = np.nan
    features, mask = features_of(front, images, np.zeros(6))
    flux, _, sigma = aperture_photometry(images)
    softening = np.sqrt((aperture_weights() ** 2).sum(0))[:, None] * np.array(SKY_SIGMA)
    expected = np.arcsinh(flux / (2 * softening)) + np.log(softening)
    np.testing.assert_allclose(
        features[:, : N_APERTURES * 5], expected.reshape(6, -1), rtol=2e-5, atol=2e-5
    )
    np.testing.assert_allclose(features[:, -6:-1], np.log(sigma), rtol=1e-4)
    assert mask.min() == 1


def test_extinction_is_taken_out(front, images):
    reddened = images * 10 ** (-0.4 * 0.1 * np.array(EXTINCTION_PER_EBV, np.float32))
    clear, _ = features_of(front, images, np.zeros(6))
    corrected, _ = features_of(front, reddened, np.full(6, 0.1))
    photometric = slice(0, N_APERTURES * 9)
    np.testing.assert_allclose(corrected[:, photometric], clear[:, photometric], atol=1e-4)


def test_an_absent_band_and_unknown_ebv_are_masked_and_nothing_is_nan(front, images):
    images[0, ..., 1] = np.nan
    features, mask = features_of(front, images, np.array([np.nan, 0, 0, 0, 0, 0]))
    assert np.isfinite(features).all()
    lost = np.flatnonzero(mask[0] == 0)
    # u g r i z magnitudes: one of 5; colours u-g and g-r: two of 4; sky and E(B-V): one each
    assert len(lost) == N_APERTURES + 2 * N_APERTURES + 1 + 1
    assert (features[0, lost] == 0).all()
    assert mask[1:].min() == 1


def test_masked_pixels_are_filled_from_the_opposite_side(images):
    images[0, :4] = np.nan
    images[1] = np.nan
    filled, present = (np.asarray(part) for part in ReflectMasked()(images))
    assert present.tolist() == [[1] * 5, [0] * 5, *[[1] * 5] * 4]
    np.testing.assert_array_equal(filled, reflect_masked(images)[0])
    np.testing.assert_array_equal(filled[0, :4], images[0, ::-1, ::-1][:4])
    assert (filled[1] == 0).all()
