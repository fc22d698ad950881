"""Petrosian quantities of profiles whose values are known."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gammainc

from pix2z.field.photometry import RADII, petrosian


@pytest.mark.parametrize(("n", "b", "least"), [(1.0, 1.67835, 0.99), (4.0, 7.66925, 0.8)])
def test_it_holds_of_a_sersic_profile_what_it_should(n, b, least):
    """SDSS: nearly all of an exponential disc, some 80 % of a de Vaucouleurs profile."""
    half = 4.0

    def inside(radius):
        return 100 * gammainc(2 * n, b * (radius / half) ** (1 / n))

    def ratio(radius):
        ring = (inside(1.25 * radius) - inside(0.8 * radius)) / (1.25**2 - 0.8**2)
        return ring / inside(radius)

    exact = brentq(lambda radius: ratio(radius) - 0.2, 1.0, 50.0)
    total, radius, r50 = (float(v[0]) for v in petrosian(inside(RADII)[None]))
    assert radius == pytest.approx(exact, rel=0.01)
    assert total == pytest.approx(inside(2 * exact), rel=0.003)
    assert 100 * least < total < 100
    assert r50 == pytest.approx(brentq(lambda r: inside(r) - total / 2, 0.1, 50.0), rel=0.02)


def test_light_that_does_not_fall_off_has_no_petrosian_flux():
    flat = np.pi * RADII[None] ** 2
    assert np.isnan(petrosian(flat)).all()
    assert all(len(v) == 0 for v in petrosian(np.zeros((0, len(RADII)))))
