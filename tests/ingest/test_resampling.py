import galsim
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.ingest.resampling import overlap_weights, plan_cut, resample

SCALES = st.floats(0.1, 0.8)


def stamp_of(image, pixel_scale):
    """Resample one square image (side, side)."""
    weights = overlap_weights(len(image), pixel_scale)
    return resample(image[None, :, :, None], weights, weights)[0, :, :, 0]


@given(SCALES, st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 3))
def test_flux_and_centroid_of_a_source_are_kept(pixel_scale, x, y, more):
    side = int(np.ceil(12.672 / pixel_scale)) + more
    axis = (np.arange(side) + 0.5 - side / 2) * pixel_scale
    image = np.exp(-((axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2) / (2 * 0.6**2))
    stamp = stamp_of(image, pixel_scale)
    assert stamp.sum() == pytest.approx(image.sum(), rel=1e-4)
    arcsec = (np.arange(32) - 15.5) * 0.396
    for wanted, marginal, source in ((x, stamp.sum(axis=0), 0), (y, stamp.sum(axis=1), 1)):
        there = (image.sum(axis=source) * axis).sum() / image.sum()
        assert (marginal * arcsec).sum() / stamp.sum() == pytest.approx(there, abs=0.02)
        assert there == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize(("pixel_scale", "tolerance"), [(0.1, 0.003), (0.262, 0.02)])
def test_against_galsim_drawing_at_both_scales(pixel_scale, tolerance):
    galaxy = galsim.Exponential(half_light_radius=1.8).shear(g1=0.2, g2=-0.1).shift(0.3, -0.2)
    scene = galsim.Convolve(galaxy, galsim.Moffat(beta=3, fwhm=1.3))
    side = int(np.ceil(12.672 / pixel_scale)) + 3
    drawn = {
        n: scene.drawImage(nx=n, ny=n, scale=scale).array.astype(float)
        for n, scale in ((side, pixel_scale), (32, 0.396))
    }
    difference = stamp_of(drawn[side], pixel_scale) - drawn[32]
    assert np.abs(difference).max() < tolerance * drawn[32].max()
    assert abs(difference.sum()) < 1e-3 * drawn[32].sum()


@given(st.floats(0.1, 0.8), st.integers(0, 2**32 - 1), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_pixel_that_touches_a_bad_one_is_bad_and_no_other(pixel_scale, seed, value):
    rng = np.random.default_rng(seed)
    side = int(np.ceil(12.672 / pixel_scale))
    image = rng.normal(size=(side, side))
    row, column = rng.integers(0, side, 2)
    bad = image.copy()
    bad[row, column] = value
    probe = np.zeros_like(image)
    probe[row, column] = 1.0
    touched = stamp_of(probe, pixel_scale) > 0
    stamp = stamp_of(bad, pixel_scale)
    np.testing.assert_array_equal(~np.isfinite(stamp), touched)
    assert (np.isnan(stamp[touched]) == np.isnan(value)).all()
    np.testing.assert_array_equal(stamp[~touched], stamp_of(image, pixel_scale)[~touched])


@pytest.mark.parametrize(
    ("pixel_scale", "side", "first"),
    [(0.396, 32, 0), (0.396 * 1.0009, 33, 0), (0.396 * 0.9991, 64, 16), (0.396, 107, 37)],
)
def test_the_scale_of_sdss_is_cropped(pixel_scale, side, first):
    cut = plan_cut(side, pixel_scale)
    assert cut.weights is None
    assert cut.window == slice(first, first + 32)
