"""Galaxies as another survey sees them: filters, seeing, noise, pixels; and SDSS as it was."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.other_survey import SurveySky, _tiled, seen_by, survey_side, survey_templates
from pix2z.imaging import AB_MINUS_SDSS, PIXEL_SCALE
from pix2z.sky.plan import StampPlan
from pix2z.sky.rendering import render
from pix2z.sky.semireal import add_surroundings, render_block
from pix2z.sky.templates import template_flux
from pix2z.surveys import DES, PANSTARRS, SDSS

ROWS = np.arange(24)
SEED = 3


@pytest.fixture(scope="module")
def templates():
    return survey_templates(PANSTARRS, z_max=0.4)


@pytest.fixture(scope="module")
def sky(parents, templates, conditions):
    return SurveySky(PANSTARRS, templates, parents, SEED, conditions)


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


def faint_of(scene, keep):
    """Faint galaxies of a scene in some of its stamps, the stamps numbered anew."""
    faint = scene.undetected
    some = np.isin(faint.stamp, keep)
    arrays = {name: values[some] for name, values in vars(faint).items()}
    return replace(faint, **arrays | {"stamp": np.searchsorted(keep, arrays["stamp"])})


def test_a_stamp_covers_the_field_of_one_of_sdss(seen):
    images, scene = seen
    assert images.shape == (24, 4, 52, 52)
    assert [survey_side(survey) for survey in (SDSS, PANSTARRS, DES)] == [32, 52, 52]
    assert np.isfinite(images).all()
    assert len(scene.z) == 24


def test_tiles_make_the_stamp_that_the_renderer_makes_where_pixels_are_the_same(scene):
    galaxy, faint = scene.galaxy.take(ROWS), faint_of(scene, ROWS)
    some = replace(scene, galaxy=galaxy, z=scene.z[ROWS], neighbour=galaxy, neighbour_stamp=ROWS)
    some = replace(some, undetected=faint)
    assert len(faint.stamp) > len(ROWS)
    both = render(galaxy)
    add_surroundings(both, some)
    off = np.abs(_tiled(some, SDSS) - both).max(axis=(2, 3))
    assert (off / both.max(axis=(2, 3))).max() < 0.02


def test_light_in_other_pixels_is_the_same_light(scene, parents, templates):
    same_colours = replace(PANSTARRS, psf_fwhm=SDSS.psf_fwhm[1:])
    none = np.zeros(0, np.int64)
    galaxy = scene.galaxy.take(ROWS)
    some = replace(scene, galaxy=galaxy, z=scene.z[ROWS], undetected=faint_of(scene, none))
    some = replace(some, neighbour=galaxy.take(none), neighbour_stamp=none)
    fine, coarse = _tiled(some, same_colours), render(galaxy)
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
    left = images - light - scene.sky_offset[:, 1:, None, None]
    assert (left / sigma).std() == pytest.approx(1, abs=0.01)
    assert (left / sigma).mean() == pytest.approx(0, abs=0.005)
    # What is left of the sky is seen in the noise of an SDSS pixel, whatever the pixels are.
    of_sdss = sky.drawn(ROWS)[0]
    of_noise = of_sdss.sky_offset / of_sdss.sky_sigma
    per_area = PIXEL_SCALE / PANSTARRS.pixel_scale
    np.testing.assert_allclose(scene.sky_offset * per_area, of_noise * scene.sky_sigma, rtol=1e-9)


def test_seen_by_sdss_is_as_drawn(scene, parents, plan):
    """Through the templates' own filters nothing changes, to the last bit."""
    assert plan.copy[0] == 0
    again = seen_by(SDSS, scene, parents.templates, parents, plan.row)
    for name in ("flux", "psf_fwhm"):
        np.testing.assert_array_equal(getattr(again.galaxy, name), getattr(scene.galaxy, name))
    for name in ("sky_sigma", "sky_offset"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scene, name))
    np.testing.assert_array_equal(again.undetected.sigma, scene.undetected.sigma)


def test_stamps_of_sdss_are_those_of_the_default_sky(parents, conditions):
    sky = SurveySky(SDSS, parents.templates, parents, SEED, conditions)
    plan = StampPlan(row=ROWS, copy=np.zeros(len(ROWS), np.int64))
    default = render_block(
        parents,
        plan,
        seed=SEED,
        max_shift=0.03,
        conditions=conditions,
        size_depends_on_redshift=True,
    )["images"]
    here = np.isfinite(default)  # the edge of a frame cuts some
    assert here.mean() > 0.9
    # Tiles lie on periodic grids of their own, which lets in a little light of the far side.
    off = np.abs(sky.stamps(ROWS)[0] - default)[here]
    assert off.max() < 0.02
    assert np.median(off) < 2e-4


def test_bands_that_a_survey_lacks_stay_as_they_are(scene, parents, plan, templates):
    again = seen_by(PANSTARRS, scene, templates, parents, plan.row)
    np.testing.assert_array_equal(again.galaxy.flux[:, 0], scene.galaxy.flux[:, 0])
    assert (again.galaxy.flux[:, 1] > scene.galaxy.flux[:, 1]).mean() > 0.95
