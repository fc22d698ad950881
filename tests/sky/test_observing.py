import numpy as np
import pytest

from pix2z.imaging import SKY_SIGMA
from pix2z.sky import observing


def test_scatter_is_correlated_between_bands():
    rng = np.random.default_rng(0)
    factors = observing.correlated_scatter(rng.random(20000), rng.random((20000, 5)), sigma=0.1)
    logs = np.log(factors)
    np.testing.assert_allclose(logs.std(axis=0), 0.1, rtol=0.03)
    correlation = np.corrcoef(logs.T)[np.triu_indices(5, 1)]
    np.testing.assert_allclose(correlation, 0.8, atol=0.02)


def test_variance_is_sky_plus_photons():
    stamps = np.array([0.0, 2.0, -1.0], np.float32) * np.ones((1, 5, 1, 3), np.float32)
    variance = observing.pixel_variance(stamps, np.array([SKY_SIGMA]))
    np.testing.assert_allclose(variance[0, :, 0, 0], np.square(SKY_SIGMA), rtol=1e-5)
    np.testing.assert_allclose(variance[..., 2], variance[..., 0])
    photons = (variance[0, :, 0, 1] - variance[0, :, 0, 0]) * observing.ELECTRONS_PER_NANOMAGGY
    np.testing.assert_allclose(photons, 2, rtol=1e-3)


@pytest.mark.parametrize("direction", [0.1, 0.4, 0.6, 0.9])
def test_edge_masks_a_straight_strip_and_never_the_centre(direction):
    rng = np.random.default_rng(1)
    n = 200
    mask = observing.frame_edge_mask(32, np.full(n, direction), rng.random(n), rng.random((n, 5)))
    assert mask.shape == (n, 5, 32, 32)
    assert not mask[:, :, 14:18, 14:18].any()
    assert mask.any(axis=(2, 3)).all()
    strip = mask.any(axis=3) if direction < 0.5 else mask.any(axis=2)
    depth = strip.sum(axis=2)
    assert (mask.sum(axis=(2, 3)) == 32 * depth).all()
    assert np.ptp(depth, axis=1).max() <= 4
    assert depth.min() >= 1
