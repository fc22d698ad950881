"""Values of surveys: of one shape, and those that are derived follow from the published ones."""

import numpy as np
import pytest
import speclite.filters

from pix2z.imaging import BANDS
from pix2z.sky.observing import ELECTRONS_PER_NANOMAGGY, PSF_FWHM
from pix2z.surveys import DES, PANSTARRS, SDSS, SURVEYS

SECONDS = {"panstarrs": (516, 480, 540, 360), "des": (900, 900, 900, 900)}
SQUARE_CM = {"panstarrs": 1e4, "des": np.pi / 4 * (393.4**2 - 165.1**2)}
"""What a response of 1 collects: that of Pan-STARRS is a cross section in square metres."""


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_a_survey_has_a_value_for_each_of_its_bands(survey):
    assert set(survey.bands) <= set(BANDS)
    for name in ("psf_fwhm", "sky_sigma", "electrons_per_nanomaggy", "extinction_per_ebv"):
        values = getattr(survey, name)
        assert len(values) == len(survey.bands)
        assert min(values) > 0
    assert SURVEYS[survey.name] is survey


def test_sdss_is_what_the_renderer_draws():
    np.testing.assert_array_equal(SDSS.psf_fwhm, PSF_FWHM)
    np.testing.assert_array_equal(SDSS.electrons_per_nanomaggy, ELECTRONS_PER_NANOMAGGY)


def test_the_noise_of_pan_starrs_follows_from_its_depth_for_point_sources():
    flux = 10 ** (0.4 * (22.5 - np.array([23.3, 23.2, 23.1, 22.3])))
    sigma = np.array(PANSTARRS.psf_fwhm) / 2.3548 / PANSTARRS.pixel_scale
    axis = np.arange(-40, 41)
    for fwhm_sigma, of_five, noise in zip(sigma, flux, PANSTARRS.sky_sigma, strict=True):
        psf = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * fwhm_sigma**2))
        psf /= psf.sum()
        # Of a flux fitted to pixels of white noise (Horne 1986).
        assert 5 * noise / np.sqrt((psf**2).sum()) == pytest.approx(of_five, rel=0.002)


def test_the_noise_of_des_follows_from_its_depth_in_circles():
    flux = 10 ** (0.4 * (22.5 - np.array([24.7, 24.4, 23.8, 23.1])))
    pixels = np.pi * (1.95 / 2 / DES.pixel_scale) ** 2
    np.testing.assert_allclose(10 * np.array(DES.sky_sigma) * np.sqrt(pixels), flux, rtol=0.002)


@pytest.mark.parametrize("survey", [PANSTARRS, DES], ids=lambda survey: survey.name)
def test_electrons_follow_from_the_response_and_the_exposure(survey):
    for band, seconds, electrons in zip(
        survey.bands, SECONDS[survey.name], survey.electrons_per_nanomaggy, strict=True
    ):
        response = speclite.filters.load_filter(f"{survey.filters}-{band}")
        # Photons per second and square cm of f_nu = 1 nanomaggy: integral f_nu / h dlambda/lambda.
        photons = 3.631e-29 / 6.62607e-27
        photons *= np.trapezoid(response.response / response.wavelength, response.wavelength)
        expected = photons * SQUARE_CM[survey.name] * seconds
        assert electrons == pytest.approx(expected, rel=0.001)


def test_extinction_is_that_of_schlafly_and_finkbeiner_on_the_scale_of_the_default():
    sdss = np.array([3.303, 2.285, 1.698, 1.263])  # their table 6, R_V = 3.1, griz
    default = np.array(SDSS.extinction_per_ebv[1:])
    published = {PANSTARRS: (3.172, 2.271, 1.682, 1.322), DES: (3.237, 2.176, 1.595, 1.217)}
    for survey, values in published.items():
        expected = default * np.array(values) / sdss
        np.testing.assert_allclose(survey.extinction_per_ebv, expected, rtol=0.001)
