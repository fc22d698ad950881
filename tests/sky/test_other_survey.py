"""Galaxies as another survey sees them: filters, seeing, noise, pixels; and SDSS as it was."""

from dataclasses import replace

import numpy as np
import pytest

from pix2z.imaging import AB_MINUS_SDSS
from pix2z.sky.other_survey import SurveySky, _tiled, seen_by, survey_side, survey_templates
from pix2z.sky.rendering import render
from pix2z.sky.templates import template_flux
from pix2z.surveys import DES, PANSTARRS, SDSS

ROWS = np.arange(24)
SEED = 3


@pytest.fixture(scope="module")
def templates():
    return survey_templates(PANSTARRS, z_max=0.4)


@pytest.fixture(scope="module")
def sky(parents, templates):
    return SurveySky(PANSTARRS, templates, parents, SEED, 22.5)


@pytest.fixture(scope="module")
def seen(sky):
    return sky.stamps(ROWS)


def test_colours_between_the_surveys_are_those_of_tonry_and_others(parents, templates):
    """Their table 6: PS1 minus SDSS by the g - r of SDSS, of stars; galaxies lie near it."""
    spectrum = {"z": parents.z, "coefficients": parents.coefficients}
    ps = -2.5 * np.log10(template_flux(templates, **spectrum))
    sdss = -2.5 * np.log10(template_flux(parents.templates, **spectrum))[:, 1:]
    x = sdss[:, 0] - sdss[:, 1]
    published = [(-0.011, -0.125, -0.015), (0.001, -0.006, -0.002), (0.004, -0.014, 0.001)]
    published.append((-0.013, 0.040, -0.001))
    for band, (a, b, c) in enumerate(published):
        ab = sdss[:, band] + AB_MINUS_SDSS[band + 1]
        off = ps[:, band] - ab - (a + b * x + c * x**2)
        assert abs(np.median(off)) < 0.03, "griz"[band]
        assert off.std() < 0.03, "griz"[band]


def test_a_stamp_covers_the_field_of_one_of_sdss(seen):
    images, scene = seen
    assert images.shape == (24, 4, 52, 52)
    assert [survey_side(survey) for survey in (SDSS, PANSTARRS, DES)] == [32, 52, 52]
    assert np.isfinite(images).all()
    assert len(scene.z) == 24


def test_tiles_make_the_stamp_that_the_renderer_makes_where_pixels_are_the_same(scene):
    some = replace(
        scene, galaxy=scene.galaxy.take(ROWS), z=scene.z[ROWS], neighbour=scene.galaxy.take(ROWS)
    )
    some = replace(some, neighbour_stamp=ROWS)
    both = 2 * render(some.galaxy)
    off = np.abs(_tiled(some, SDSS) - both).max(axis=(2, 3))
    assert (off / both.max(axis=(2, 3))).max() < 0.02


def test_light_in_other_pixels_is_the_same_light(scene, parents, templates):
    same_colours = replace(PANSTARRS, psf_fwhm=SDSS.psf_fwhm[1:])
    alone = np.zeros(0, np.int64)
    galaxy = scene.galaxy.take(ROWS)
    some = replace(
        scene, galaxy=galaxy, z=scene.z[ROWS], neighbour=galaxy.take(alone), neighbour_stamp=alone
    )
    fine, coarse = _tiled(some, same_colours), render(galaxy)
    # 12.5 arcsec of both, from the middle: 50 pixels of 0.25, and nearly 31.6 of 0.396.
    inner = coarse[:, :, 4:-4, 4:-4].sum(axis=(2, 3))
    side = 24 * 0.396 / 0.25
    first = (52 - side) / 2
    axis = np.arange(52)
    share = np.clip(np.minimum(axis + 1, first + side) - np.maximum(axis, first), 0, 1)
    same = np.einsum("nbij,i,j->nb", fine, share, share)
    np.testing.assert_allclose(same, inner, rtol=0.01)


def test_noise_and_seeing_are_those_of_the_survey(sky, seen, parents):
    _, scene = seen
    np.testing.assert_allclose(
        np.median(scene.sky_sigma[:, 1:], axis=0), PANSTARRS.sky_sigma, rtol=0.12
    )
    np.testing.assert_allclose(
        np.median(scene.galaxy.psf_fwhm[:, 1:], axis=0), PANSTARRS.psf_fwhm, rtol=0.12
    )
    light = _tiled(scene, PANSTARRS)[:, 1:]
    images, _ = sky.stamps(ROWS)
    electrons = np.array(PANSTARRS.electrons_per_nanomaggy)[:, None, None]
    sigma = np.sqrt(np.maximum(light, 0) / electrons + scene.sky_sigma[:, 1:, None, None] ** 2)
    assert ((images - light) / sigma).std() == pytest.approx(1, abs=0.01)


def test_seen_by_sdss_is_as_drawn(scene, parents, plan):
    """Through the templates' own filters nothing changes, to the last bit."""
    assert plan.copy[0] == 0
    again = seen_by(SDSS, scene, parents.templates, parents, plan.row)
    for name in ("flux", "psf_fwhm"):
        np.testing.assert_array_equal(getattr(again.galaxy, name), getattr(scene.galaxy, name))
    np.testing.assert_array_equal(again.sky_sigma, scene.sky_sigma)


def test_bands_that_a_survey_lacks_stay_as_they_are(scene, parents, plan, templates):
    again = seen_by(PANSTARRS, scene, templates, parents, plan.row)
    np.testing.assert_array_equal(again.galaxy.flux[:, 0], scene.galaxy.flux[:, 0])
    assert (again.galaxy.flux[:, 1] > scene.galaxy.flux[:, 1]).mean() > 0.95
