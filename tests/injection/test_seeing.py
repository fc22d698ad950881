"""The width of a field's stars comes back."""

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.injection.frames import inject
from pix2z.injection.seeing import measure_seeing
from pix2z.sky.profiles import WING_SHARE
from tests.field.planted import BANDS, SKY
from tests.injection.conftest import sources_of
from tests.injection.test_frames import places_at

FWHM = np.array([1.6, 1.5, 1.3, 1.2, 1.1])


def stars_in(frames, fwhm):
    """Forty stars, broader by a tenth at the right edge than at the left."""
    x, y = np.meshgrid(40 + 60.0 * np.arange(9), 40 + 64.0 * np.arange(6))
    places = places_at(frames, x.ravel() + 0.3, y.ravel() + 0.7)
    stars = sources_of(len(places), mag_r=17.0, radius=0.0)
    stars.psf_fwhm[:] = fwhm * (1 + 0.1 * (places.x[:, None] / 560 - 0.5))
    return inject(frames, stars, places, np.random.default_rng(1))


@pytest.fixture(scope="module")
def starry(noisy):
    return stars_in(noisy, FWHM)


def test_widths_noise_and_their_change_over_the_field_come_back(starry):
    seeing = measure_seeing(starry)
    np.testing.assert_allclose(seeing.fwhm, FWHM, rtol=0.03)
    np.testing.assert_allclose(seeing.noise, SKY, rtol=0.1)
    left, right = seeing.at(np.array([50.0, 510.0]), np.array([200.0, 200.0]))
    np.testing.assert_allclose(right / left, 1.048 / 0.959, rtol=0.02)
    np.testing.assert_allclose((left + right) / 2, FWHM, rtol=0.03)


def test_sources_get_the_psf_of_their_places(starry):
    seeing = measure_seeing(starry)
    x, y = np.array([50.0, 510.0]), np.array([200.0, 200.0])
    seen = seeing.seen(sources_of(2), x, y)
    np.testing.assert_array_equal(seen.psf_fwhm, seeing.at(x, y))
    np.testing.assert_array_equal(seen.psf_wings, np.full((2, 5), WING_SHARE))


def test_a_field_without_stars_is_one_line(noisy):
    places = places_at(noisy, [100.0, 300.0], [100.0, 300.0])
    frames = inject(noisy, sources_of(2), places, None)
    with pytest.raises(InputError, match=r"r\.fits: too few stars to measure the seeing by"):
        measure_seeing(frames)
    assert set(frames) == set(BANDS)


def test_a_band_in_which_stars_are_no_points_is_one_line(noisy, starry):
    two_bands = {band: noisy[band] for band in "rz"}
    out_of_focus = stars_in(two_bands, np.full(5, 6.0))["z"]
    with pytest.raises(InputError, match=r"z\.fits: expected stars 0\.5 to 4 arcsec wide"):
        measure_seeing({**starry, "z": out_of_focus})
