import numpy as np

from pix2z.controls import features
from pix2z.controls.features import (
    N_MAIN,
    asinh_magnitudes,
    measured_features,
    photometric_features,
)
from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry

SFD98 = np.array([5.155, 3.793, 2.751, 2.086, 1.479])


def fluxes(n=6, seed=0):
    """Growing fluxes (n, 7, 5) in the apertures."""
    rng = np.random.default_rng(seed)
    total = 10 ** rng.uniform(1, 2.5, (n, 1, 5))
    return total * np.linspace(0.2, 1.0, len(APERTURE_RADII_ARCSEC))[None, :, None]


def test_zero_flux_has_the_published_magnitudes():
    # SDSS DR8 and later, "Asinh magnitude softening parameters": zero-flux magnitudes
    published = [24.63, 25.11, 24.80, 24.36, 22.83]
    np.testing.assert_allclose(asinh_magnitudes(np.zeros(5)), published, atol=0.012)


def test_main_features_are_dereddened_colours_and_total_r():
    flux, ebv = fluxes(), np.full(6, 0.05)
    found = photometric_features(flux, ebv)
    magnitudes = 22.5 - 2.5 * np.log10(flux) - 0.05 * SFD98  # bright: Pogson's
    colours = -np.diff(magnitudes[:, 4], axis=1)
    expected = np.column_stack([colours, magnitudes[:, 6, 2]])
    np.testing.assert_allclose(found[:, :N_MAIN], expected, atol=0.02)


def test_extinction_on_the_way_changes_only_the_feature_ebv():
    flux = fluxes() * 100
    ebv = np.linspace(0, 0.2, 6)
    reddened = flux * 10 ** (-0.4 * ebv[:, None, None] * SFD98)
    clear = photometric_features(flux, np.zeros(6))
    dusty = photometric_features(reddened, ebv)
    np.testing.assert_allclose(dusty[:, :-1], clear[:, :-1], atol=1e-3)
    np.testing.assert_array_equal(dusty[:, -1], ebv)


def test_an_absent_band_leaves_gaps_and_no_infinity():
    flux = fluxes()
    flux[2, :, 0] = np.nan
    found = photometric_features(flux, np.full(6, np.nan))
    assert np.isnan(found[2, 0])
    assert np.isfinite(found[2, 1:N_MAIN]).all()
    assert np.isfinite(found[[0, 1, 3, 4, 5], :-1]).all()


def test_measured_features_are_those_of_the_stamps(sample, monkeypatch):
    monkeypatch.setattr(features, "READ_ROWS", 7)
    rows = np.array([5, 1, 300, 42, 8, 8, 799, 0, 11])
    flux = aperture_photometry(sample.images(rows))[0]
    np.testing.assert_allclose(
        measured_features(sample, rows),
        photometric_features(flux, sample.column("ebv", rows)),
        rtol=1e-5,
        atol=1e-5,
    )
