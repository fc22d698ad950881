import numpy as np
import pytest

from pix2z.evaluation.normalised_view import own_reading


@pytest.fixture(scope="module")
def view():
    """Both arms make the very same errors; only the range and the own test set differ."""
    rng = np.random.default_rng(1)
    z_spec = rng.gamma(3.6, 0.03, 4000)
    z_spec[:2] = 0.0, 0.4
    z_phot = z_spec + rng.normal(0, 0.012, 4000)
    inside = z_spec <= 0.2
    return {
        name: own_reading(z_phot, z_spec, own_test=own, inside=inside, z_rows=z_spec[own])
        for name, own in {"full": np.ones(4000, bool), "clipped": inside}.items()
    }


def test_a_normalised_error_times_its_range_is_the_error_in_redshift(view):
    for arm in (view["full"], view["clipped"]):
        span = arm["z_high"] - arm["z_low"]
        for metric in ("mae", "rmse", "bias", "precision"):
            assert arm["normalised"][metric] * span == pytest.approx(arm["redshift"][metric])
        assert arm["normalised"]["r2"] == pytest.approx(arm["redshift"]["r2"])
