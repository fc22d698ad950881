import numpy as np

from pix2z.dataset.photometry import (
    APERTURE_RADII_ARCSEC,
    PIXEL_SCALE,
    SKY_ROWS,
    STAMP_SIDE,
    aperture_photometry,
    aperture_weights,
    fibre_share,
    magnitude,
    reflect_masked,
    sky_sigma,
)

RADII_PIXELS = np.array(APERTURE_RADII_ARCSEC) / PIXEL_SCALE


def gaussian_stamps(sigma_pixels=2.5, flux=(1.0, 2.0, 3.0, 4.0, 5.0)):
    """One round Gaussian stamp (1, 32, 32, 5) of given total fluxes."""
    axis = np.arange(STAMP_SIDE) - 15.5
    profile = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * sigma_pixels**2))
    return (profile / profile.sum())[None, :, :, None] * np.array(flux)


def test_weights_are_shares_and_sum_to_the_area_of_the_disc():
    weights = aperture_weights()
    assert weights.shape == (STAMP_SIDE**2, len(APERTURE_RADII_ARCSEC))
    assert weights.min() == 0.0
    assert weights.max() == 1.0
    np.testing.assert_allclose(weights.sum(axis=0), np.pi * RADII_PIXELS**2, rtol=5e-3)


def test_gaussian_flux_in_apertures_is_the_closed_form():
    sigma = 2.5
    flux, _, _ = aperture_photometry(gaussian_stamps(sigma))
    enclosed = 1 - np.exp(-(RADII_PIXELS**2) / (2 * sigma**2))
    expected = enclosed[:, None] * np.arange(1.0, 6.0)
    np.testing.assert_allclose(flux[0], expected, rtol=0.02)  # pixels sample, not integrate


def test_a_fibre_sees_the_share_of_a_gaussian_within_its_radius():
    """Wider in the first band, whose share is therefore smaller; unknown where nothing is known."""
    images = gaussian_stamps(3.0)
    images[..., 0] = gaussian_stamps(5.0)[..., 0]
    images = np.concatenate([images, images, -images])
    images[1, ..., 2] = np.nan
    share = fibre_share(images)
    within = [[1 - np.exp(-((r / 0.396 / s) ** 2) / 2) for s in (5.0, 3.0)] for r in (1.5, 6.0)]
    np.testing.assert_allclose(share[0, :2], np.divide(*within), rtol=0.02)
    assert np.isnan(share[1, 2])
    assert np.isfinite(np.delete(share[1], 2)).all()
    assert np.isnan(share[2]).all()


def test_flux_survives_turning_and_mirroring():
    images = np.random.default_rng(1).normal(size=(2, STAMP_SIDE, STAMP_SIDE, 5))
    turned = np.rot90(images, axes=(1, 2))[:, ::-1]
    np.testing.assert_allclose(
        aperture_photometry(turned)[0], aperture_photometry(images)[0], rtol=1e-5, atol=1e-6
    )


def test_masked_pixels_are_filled_from_the_opposite_ones_else_with_zero():
    images = np.random.default_rng(2).normal(size=(1, STAMP_SIDE, STAMP_SIDE, 5))
    images[0, 3, 4, 0] = np.nan
    images[0, 5, 6, 1] = images[0, 26, 25, 1] = np.nan
    filled, valid = reflect_masked(images)
    assert filled[0, 3, 4, 0] == images[0, 28, 27, 0]
    assert filled[0, 5, 6, 1] == filled[0, 26, 25, 1] == 0.0
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(valid, ~np.isnan(images))
    np.testing.assert_array_equal(filled[valid], images[valid])


def test_absent_band_has_no_flux_and_leaves_the_others_alone():
    images = np.random.default_rng(3).normal(size=(2, STAMP_SIDE, STAMP_SIDE, 5))
    complete = aperture_photometry(images)
    images[1, ..., 2] = np.nan
    flux, flux_error, sigma = aperture_photometry(images)
    assert np.isnan(flux[1, :, 2]).all()
    assert np.isnan(flux_error[1, :, 2]).all()
    assert np.isnan(sigma[1, 2])
    for now, before in zip((flux, flux_error, sigma), complete, strict=True):
        keep = np.ones(now.shape, bool)
        keep[1, ..., 2] = False
        np.testing.assert_allclose(now[keep], before[keep], rtol=1e-12)


def test_sky_sigma_recovers_normal_noise_under_a_galaxy():
    rng = np.random.default_rng(4)
    truth = np.array([0.043, 0.017, 0.027, 0.044, 0.175])
    noise = rng.normal(size=(300, STAMP_SIDE, STAMP_SIDE, 5)) * truth
    images = noise + gaussian_stamps(flux=(20.0,) * 5)
    sigma = sky_sigma(images)
    np.testing.assert_allclose(sigma.mean(axis=0), truth, rtol=0.01)
    assert (sigma.std(axis=0) / truth < 0.08).all()


def test_sky_sigma_sees_the_outermost_rows_only():
    images = np.random.default_rng(8).normal(size=(3, STAMP_SIDE, STAMP_SIDE, 5))
    changed = images.copy()
    changed[:, SKY_ROWS:-SKY_ROWS] += 100.0
    np.testing.assert_array_equal(sky_sigma(changed), sky_sigma(images))
    gradient = np.arange(STAMP_SIDE)[None, None, :, None] * 10.0
    np.testing.assert_allclose(sky_sigma(images + gradient), sky_sigma(images), rtol=1e-10)


def test_flux_errors_are_the_scatter_of_empty_stamps():
    images = np.random.default_rng(6).normal(size=(1500, STAMP_SIDE, STAMP_SIDE, 5))
    flux, flux_error, _ = aperture_photometry(images.astype(np.float32))
    np.testing.assert_allclose(flux.std(axis=0), flux_error.mean(axis=0), rtol=0.08)


def test_magnitude_of_a_nanomaggy_is_22_5():
    np.testing.assert_allclose(magnitude(np.array([1.0, 100.0, 1e9])), [22.5, 17.5, 0.0])
    assert np.isnan(magnitude(np.array([0.0, -1.0, np.nan]))).all()
