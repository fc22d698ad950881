import numpy as np
from astropy.cosmology import FlatLambdaCDM

from pix2z.sky.cosmology import distance_modulus, kpc_per_arcsec, volume_per_redshift

Z = np.array([0.0031, 0.01, 0.1, 0.25, 0.4])
REFERENCE = FlatLambdaCDM(H0=70, Om0=0.3)


def test_distances_are_astropys():
    np.testing.assert_allclose(distance_modulus(Z), REFERENCE.distmod(Z).value, atol=1e-4)
    kpc = REFERENCE.kpc_proper_per_arcmin(Z).value / 60
    np.testing.assert_allclose(kpc_per_arcsec(Z), kpc, rtol=1e-4)


def test_volume_is_proportional_to_astropys():
    ratio = volume_per_redshift(Z) / REFERENCE.differential_comoving_volume(Z).value
    np.testing.assert_allclose(ratio, ratio[0], rtol=2e-4)
