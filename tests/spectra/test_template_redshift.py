import numpy as np
import pytest

from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.template_redshift import fit_redshifts
from pix2z.spectra.templates import Search, Templates, with_emission_lines
from tests.spectra.galaxies import REST, STEP, WAVELENGTH, galaxy, shape, templates

TRUE = np.array([-0.002, 0.0333, 0.1, 0.27182, 0.4567])
NOISE = 0.05


def line(wavelength, centre):
    """A line of 900 km/s."""
    return np.exp(-0.5 * (np.log(wavelength / centre) / 3e-3) ** 2)


def noisy(z, noise, *, seed, weights=(1.0, 0.6, 0.4)):
    """Spectra (N, L) and their inverse variances; every pixel has noise of its own size."""
    rng = np.random.default_rng(seed)
    sigma = noise * rng.uniform(0.7, 1.5, (len(z), len(WAVELENGTH)))
    clean = np.stack([galaxy(one, weights) for one in z])
    return clean + rng.normal(size=clean.shape) * sigma, 1 / sigma**2


def test_redshifts_come_back_to_a_small_part_of_a_pixel():
    flux = np.stack([galaxy(z) for z in TRUE])
    found = fit_redshifts(WAVELENGTH, flux, np.full(flux.shape, 1e4), templates())
    np.testing.assert_allclose(found.z, TRUE, atol=0.01 * STEP)
    assert not found.flags.any()
    assert (found.delta_chi2 > 1e3).all()


def test_errors_are_as_large_as_the_scatter():
    """200 realisations: the sd of pulls is known to 5 %."""
    z = 0.2
    flux, ivar = noisy(np.full(200, z), NOISE, seed=3)
    found = fit_redshifts(WAVELENGTH, flux, ivar, templates(), Search(z - 0.01, z + 0.012))
    pull = (found.z - z) / found.z_err
    assert 0.8 < pull.std() < 1.2
    assert abs(pull.mean()) < 0.3
    assert np.median(found.z_err) > 0.01 * STEP
    np.testing.assert_allclose(found.chi2 / found.n_dof, 1, atol=0.2)


def test_bad_pixels_do_not_matter_whatever_their_flux():
    flux, ivar = noisy(TRUE, NOISE, seed=7)
    ivar[:, 300:400] = 0
    expected = fit_redshifts(WAVELENGTH, flux, ivar, templates())
    flux[0, 300:400], flux[1, 300:400], ivar[2, 300:400] = np.nan, 1e30, np.nan
    ivar[3, 300:400] = -1
    found = fit_redshifts(WAVELENGTH, flux, ivar, templates())
    np.testing.assert_allclose(found.z, expected.z, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_templates", [1, 3])
def test_degrees_of_freedom_are_good_pixels_less_weights_and_the_redshift(n_templates):
    flux, ivar = noisy(TRUE[:1], NOISE, seed=7)
    ivar[:, :100] = 0
    search = Search(n_templates=n_templates, degree=2)
    found = fit_redshifts(WAVELENGTH, flux, ivar, templates(), search)
    assert found.n_dof[0] == len(WAVELENGTH) - 100 - n_templates - 3 - 1


@pytest.mark.parametrize("non_negative", [True, False])
def test_a_coarse_scan_ends_at_the_same_minimum(non_negative):
    flux, ivar = noisy(TRUE, NOISE, seed=8)
    chosen = templates(non_negative=non_negative)
    fine = fit_redshifts(WAVELENGTH, flux, ivar, chosen)
    for coarse in (3, 8):
        found = fit_redshifts(WAVELENGTH, flux, ivar, chosen, coarse=coarse)
        np.testing.assert_allclose(found.z, fine.z, atol=0.02 * STEP)
        np.testing.assert_allclose(found.z_err, fine.z_err, rtol=0.05)
        np.testing.assert_array_equal(found.flags, fine.flags)


def test_without_errors_the_scatter_about_the_fit_is_the_noise():
    rng = np.random.default_rng(10)
    flux = np.stack([galaxy(z) for z in TRUE]) + rng.normal(0, NOISE, (5, len(WAVELENGTH)))
    known = fit_redshifts(WAVELENGTH, flux, np.full(flux.shape, NOISE**-2), templates())
    unknown = fit_redshifts(WAVELENGTH, flux, None, templates())
    np.testing.assert_allclose(unknown.z, known.z, atol=1e-8)
    np.testing.assert_allclose(unknown.z_err, known.z_err, rtol=0.1)


def test_flags_say_why_there_is_no_redshift_or_a_doubtful_one():
    flux, ivar = noisy(np.full(6, 0.2), NOISE, seed=12)
    ivar[1] = 0
    ivar[2, 5:] = 0
    ivar[3, 700:] = 0
    flux[4] = np.random.default_rng(13).normal(0, 1, len(WAVELENGTH)) / np.sqrt(ivar[4])
    flux[5] *= -1
    found = fit_redshifts(WAVELENGTH, flux, ivar, templates())
    assert found.flags[0] == 0
    assert found.flags[1] == found.flags[2] == FitFlag.NO_DATA | FitFlag.FEW_PIXELS
    assert np.isnan(found.z[1:3]).all()
    assert np.isnan(found.z_err[1:3]).all()
    assert found.flags[3] == FitFlag.FEW_PIXELS
    assert found.z[3] == pytest.approx(0.2, abs=STEP)
    assert found.flags[4] & FitFlag.AMBIGUOUS
    assert found.flags[5] & FitFlag.NEGATIVE_FLUX
    assert found.z_second[4] != pytest.approx(found.z[4], abs=0.004)


def test_a_redshift_beyond_the_range_ends_at_its_end_and_has_no_error():
    z = np.array([0.301, 0.099])
    found = fit_redshifts(WAVELENGTH, *noisy(z, NOISE, seed=14), templates(), Search(0.1, 0.3))
    assert (found.flags & FitFlag.AT_END).all()
    np.testing.assert_array_equal(found.z, [0.3, 0.1])
    assert np.isnan(found.z_err).all()


def test_a_spectrum_without_features_is_ambiguous():
    flat = np.repeat([[0.0], [1.0]], len(WAVELENGTH), axis=1)
    found = fit_redshifts(WAVELENGTH, flat, None, templates())
    assert (found.flags & (FitFlag.AMBIGUOUS | FitFlag.AT_END)).all()


def test_two_redshifts_that_fit_alike_are_ambiguous():
    """One line, which may be either of two."""
    lines = np.stack([line(REST, 5008.2), line(REST, 6564.6)])
    flux = line(WAVELENGTH, 6900)[None]
    found = fit_redshifts(
        WAVELENGTH, flux, np.full(flux.shape, 400.0), Templates(REST, lines, non_negative=True)
    )
    assert found.flags[0] == FitFlag.AMBIGUOUS
    both = sorted([found.z[0], found.z_second[0]])
    np.testing.assert_allclose(both, [6900 / 6564.6 - 1, 6900 / 5008.2 - 1], atol=STEP)


def test_a_template_that_must_be_subtracted_is_no_galaxy():
    """An absorption line is no emission line; a free fit would take it for one."""
    flux = (1 - 0.5 * line(WAVELENGTH, 5500) + 0.2 * line(WAVELENGTH, 6900))[None]
    ivar, template = np.full(flux.shape, 400.0), line(REST, 5008.2)[None]
    bound = fit_redshifts(WAVELENGTH, flux, ivar, Templates(REST, template, non_negative=True))
    free = fit_redshifts(WAVELENGTH, flux, ivar, Templates(REST, template, non_negative=False))
    assert bound.z[0] == pytest.approx(6900 / 5008.2 - 1, abs=STEP)
    assert free.z[0] == pytest.approx(5500 / 5008.2 - 1, abs=STEP)


def test_templates_that_reach_nowhere_give_no_redshift():
    far = Templates(np.geomspace(20_000, 30_000, 500), np.ones((1, 500)), non_negative=True)
    found = fit_redshifts(WAVELENGTH, galaxy(0.1)[None], None, far)
    assert np.isnan(found.z[0])
    assert found.flags[0] == FitFlag.NO_DATA


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"flux": np.ones((2, 7))}, r"flux must be \(N, 2000\); got shape \(2, 7\)"),
        ({"ivar": np.ones((3, 2000))}, r"ivar must be \(2, 2000\)"),
        ({"wavelength": np.linspace(4000, 9000, 2000)}, "equal steps"),
        ({"coarse": 500}, "coarse"),
        ({"coarse": 0}, "coarse"),
    ],
)
def test_what_makes_no_sense_is_refused(change, said):
    arguments = {
        "wavelength": WAVELENGTH,
        "flux": np.ones((2, 2000)),
        "ivar": None,
        "templates": templates(),
    }
    with pytest.raises(ValueError, match=said):
        fit_redshifts(**{**arguments, **change})


def test_emission_lines_stand_beside_the_templates():
    found = with_emission_lines(templates())
    assert len(found) > 3
    assert found.non_negative
    old = np.interp(REST[10:-10], found.wavelength, found.flux[0])
    np.testing.assert_allclose(old, shape(REST[10:-10], 0), rtol=1e-3)
    peaks = found.wavelength[found.flux[3:].argmax(axis=1)]
    for expected in (3728.5, 4341.68, 4862.68, 5008.24, 6564.61, 6585.27):
        assert np.abs(peaks / expected - 1).min() < 5e-4


@pytest.mark.parametrize(
    ("wavelength", "flux", "said"),
    [
        (np.arange(1.0, 4.0), np.ones((1, 3)), "4 wavelengths"),
        (np.arange(1.0, 6.0), np.ones(5), r"flux \(T, 5\)"),
        (np.arange(1.0, 6.0), np.full((1, 5), np.nan), "finite"),
        (np.arange(0.0, 5.0), np.ones((1, 5)), "positive, increasing"),
    ],
)
def test_arrays_that_are_no_templates_are_refused(wavelength, flux, said):
    with pytest.raises(ValueError, match=said):
        Templates(wavelength, flux, non_negative=True)
