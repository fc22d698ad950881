import numpy as np
import pytest

from pix2z.spectra.learned_basis import learn_basis
from pix2z.spectra.template_redshift import fit_redshifts
from pix2z.spectra.templates import Search
from tests.spectra.galaxies import STEP, WAVELENGTH, shape

N = 300


def sample(*, seed, n=N, noise=0.0, z_max=0.3):
    """Sums of three kinds (N, L), their redshifts, and inverse variances."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.0, z_max, n)
    weights = rng.uniform(0.1, 1.0, (n, 3)) * rng.lognormal(0, 1, (n, 1))
    flux = np.stack(
        [
            sum(w * shape(WAVELENGTH / (1 + one), kind) for kind, w in enumerate(row))
            for one, row in zip(z, weights, strict=True)
        ]
    )
    sigma = noise * flux.mean(axis=1, keepdims=True) * rng.uniform(0.5, 2, flux.shape)
    return flux + rng.normal(size=flux.shape) * sigma, z, sigma


def cosines(found):
    """Of the angles between the span of a basis and that of the three kinds."""
    true = np.stack([shape(found.wavelength, kind) for kind in range(3)])
    q, _ = np.linalg.qr(true.T)
    p, _ = np.linalg.qr(found.flux.T)
    return np.linalg.svd(q.T @ p)[1]


def test_with_one_redshift_and_no_holes_it_is_a_singular_value_decomposition():
    """Scaled to rms 1 and without the mean taken off, as the module says."""
    flux, _, _ = sample(seed=3, n=60, noise=0.02, z_max=0.001)
    found = learn_basis(WAVELENGTH, flux, np.zeros(60), n_templates=3, seed=2)
    scaled = flux / np.sqrt((flux**2).mean(axis=1, keepdims=True))
    _, _, expected = np.linalg.svd(scaled, full_matrices=False)
    np.testing.assert_allclose(np.abs((found.flux * expected[:3]).sum(axis=1)), 1, atol=1e-5)


def test_holes_and_noise_are_weighted_away():
    flux, z, sigma = sample(seed=4, noise=0.05)
    flux[:, 700:720] = np.where(np.arange(N)[:, None] % 2, np.nan, flux[:, 700:720])
    sigma[::5, ::7] *= 50
    flux[::5, ::7] += np.random.default_rng(5).normal(size=flux[::5, ::7].shape) * sigma[::5, ::7]
    weighted = cosines(learn_basis(WAVELENGTH, flux, z, n_templates=3, seed=2, ivar=sigma**-2))
    plain = cosines(learn_basis(WAVELENGTH, flux, z, n_templates=3, seed=2))
    assert weighted.min() > 0.998
    assert plain.min() < 0.98  # else the weights would have nothing to do


def test_templates_learnt_on_some_galaxies_read_the_redshifts_of_others():
    flux, z, sigma = sample(seed=6, noise=0.01)
    found = learn_basis(WAVELENGTH, flux, z, n_templates=3, seed=2, ivar=sigma**-2)
    other, z_other, sigma_other = sample(seed=7, n=40, noise=0.05)
    search = Search(-0.005, 0.35)
    read = fit_redshifts(WAVELENGTH, other, sigma_other**-2, found, search, coarse=4)
    pull = (read.z - z_other) / read.z_err
    assert (np.abs(pull) < 4).all()
    assert np.median(np.abs(read.z - z_other)) < 0.3 * STEP
    assert 0.7 < pull.std() < 1.4
    assert not read.flags.any()


@pytest.mark.parametrize(
    ("n", "shape_of_flux", "said"),
    [
        (8, (8, 2000), "10 spectra or more for each of 3 templates; got 8"),
        (20, (20, 7), r"must be \(20, 2000\)"),
    ],
)
def test_too_little_is_refused(n, shape_of_flux, said):
    with pytest.raises(ValueError, match=said):
        learn_basis(WAVELENGTH, np.ones(shape_of_flux), np.zeros(n), n_templates=3, seed=1)
