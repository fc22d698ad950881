"""Bulge and disc of one fitted spectrum."""

import numpy as np
import pytest

from pix2z.sky.resolved import band_bulge_fractions, bulge_template_share
from pix2z.sky.templates import template_flux


@pytest.fixture(scope="module")
def late(parents):
    """Blue galaxies of several templates each, a bulge of 30 % and 0.3 mag redder."""
    rows = np.flatnonzero(
        (parents.colour > 1.6) & (parents.colour < 2.0) & ((parents.coefficients > 0).sum(1) >= 3)
    )[:300]
    n = len(rows)
    given = {
        "z": parents.z[rows],
        "coefficients": parents.coefficients[rows],
        "fraction_r": np.full(n, 0.3),
        "redder": np.full(n, 0.3),
    }
    return given, bulge_template_share(parents.templates, **given)


def fractions(grid, given, share, z):
    return band_bulge_fractions(grid, z=z, coefficients=given["coefficients"], share=share)


def test_two_spectra_add_up_and_the_r_fraction_is_the_drawn_one(grid, late):
    given, share = late
    z, coefficients = given["z"], given["coefficients"]
    bulge = template_flux(grid, z=z, coefficients=share * coefficients)
    disc = template_flux(grid, z=z, coefficients=(1 - share) * coefficients)
    whole = template_flux(grid, z=z, coefficients=coefficients)
    np.testing.assert_allclose(bulge + disc, whole, rtol=1e-12)
    found = fractions(grid, given, share, z)
    np.testing.assert_allclose(found, bulge / whole, rtol=1e-12)
    np.testing.assert_allclose(found[:, 2], 0.3, atol=1e-6)


def test_the_bulge_is_redder_at_rest_as_drawn(grid, late):
    given, share = late
    at_rest = np.zeros(len(share))
    bulge = template_flux(grid, z=at_rest, coefficients=share * given["coefficients"])
    disc = template_flux(grid, z=at_rest, coefficients=(1 - share) * given["coefficients"])
    redder = -2.5 * np.log10(bulge[:, 1] / bulge[:, 3] * disc[:, 3] / disc[:, 1])
    assert redder.max() < 0.301
    reached = np.abs(redder - 0.3) < 0.001  # the rest has no templates that differ so much
    assert reached.mean() > 0.9


def test_gradients_follow_the_redshift(grid, late):
    """The same galaxies farther away: their bands see bluer light, in which parts differ more.

    A fixed ratio of colours in observed bands, the same at all redshifts, fails this.
    """
    given, share = late

    def difference(z):
        """Colours g - r and r - i of the bulge minus those of the disc, medians, as observed."""
        found = fractions(grid, given, share, np.full(len(share), z))
        odds = found / (1 - found)
        return 2.5 * np.log10(np.median(odds[:, 2:4] / odds[:, 1:3], axis=0))

    g_r, r_i = np.stack([difference(z) for z in (0.02, 0.1, 0.2, 0.35)], axis=1)
    assert (np.diff(g_r) > 0).all()
    assert g_r[-1] > 1.4 * g_r[0]
    assert r_i[-1] > 1.7 * r_i[1]


def test_a_single_template_has_no_gradient(grid):
    given = {
        "z": np.array([0.1]),
        "coefficients": np.array([[0.0, 0, 0, 1, 0]]),
        "fraction_r": np.array([0.4]),
        "redder": np.array([0.35]),
    }
    share = bulge_template_share(grid, **given)
    np.testing.assert_allclose(fractions(grid, given, share, given["z"]), 0.4, atol=1e-6)
