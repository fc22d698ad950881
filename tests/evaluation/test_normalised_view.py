import numpy as np
import pytest

from pix2z.evaluation.normalised_view import PUBLISHED, OwnSample, normalised_view


def samples(sigma=0.012, n=4000):
    """Both arms make the very same errors; only the range and the own test set differ."""
    rng = np.random.default_rng(1)
    z_spec = rng.gamma(3.6, 0.03, n)
    z_spec[:2] = 0.0, 0.4
    z_phot = z_spec + rng.normal(0, sigma, n)
    inside = z_spec <= 0.2
    full = OwnSample(z_phot, z_spec, np.ones(n, bool), z_spec)
    clipped = OwnSample(z_phot, z_spec, inside, z_spec[inside])
    return full, clipped, inside


def test_equal_errors_look_worse_for_the_clipped_arm_when_normalised():
    full, clipped, inside = samples()
    view = normalised_view(full, clipped, inside=inside)
    assert view["clipped"]["normalised"]["mae"] > 1.5 * view["full"]["normalised"]["mae"]
    assert (
        view["clipped"]["normalised"]["outlier_005"] > 2 * view["full"]["normalised"]["outlier_005"]
    )
    assert view["clipped"]["normalised"]["r2"] < view["full"]["normalised"]["r2"]
    assert view["clipped"]["redshift_inside"] == view["full"]["redshift_inside"]


def test_a_normalised_error_times_its_range_is_the_error_in_redshift():
    full, clipped, inside = samples()
    view = normalised_view(full, clipped, inside=inside)
    for arm in (view["full"], view["clipped"]):
        span = arm["z_high"] - arm["z_low"]
        for metric in ("mae", "rmse", "bias", "precision"):
            assert arm["normalised"][metric] * span == pytest.approx(arm["redshift"][metric])
        assert arm["normalised"]["r2"] == pytest.approx(arm["redshift"]["r2"])


def test_the_published_table_shows_the_same_artefact():
    # MAE times the range of each arm: 0.0304 x 0.3995 and 0.0556 x 0.2073.
    assert PUBLISHED["full"]["mae"] * 0.3995 == pytest.approx(0.0121, abs=5e-5)
    assert PUBLISHED["clipped"]["mae"] * 0.2073 == pytest.approx(0.0115, abs=5e-5)


def test_an_absent_arm_is_none():
    full, _, inside = samples()
    view = normalised_view(full, None, inside=inside)
    assert view["clipped"] is None
    assert view["full"]["n_own_test"] == 4000
    assert "scaled" in view["note"]
