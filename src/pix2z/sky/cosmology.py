"""Distances of the semi-real sky: flat Lambda-CDM, H0 = 70 km/s/Mpc, Omega_m = 0.3.

The size-luminosity relation of Shen et al. (2003) was measured in this cosmology, so absolute
magnitudes and kiloparsecs here are theirs.
"""

import numpy as np
from astropy.cosmology import FlatLambdaCDM
from numpy.typing import NDArray

__all__ = [
    "distance_modulus",
    "kpc_per_arcsec",
    "redshift_at_modulus",
    "volume_per_redshift",
]

Array = NDArray[np.float64]

_COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3)
_REDSHIFTS = np.linspace(0.0005, 0.6, 1200)
_DISTANCE_MPC: Array = _COSMOLOGY.comoving_distance(_REDSHIFTS).value


def _comoving_distance(z: Array) -> Array:
    """Line-of-sight comoving distance in Mpc; interpolated, good to 1e-6 for z in 0.003 to 0.6."""
    return z * np.interp(z, _REDSHIFTS, _DISTANCE_MPC / _REDSHIFTS)


def distance_modulus(z: Array) -> Array:
    """5 log10(luminosity distance / 10 pc), magnitudes."""
    result: Array = 5 * np.log10(_comoving_distance(z) * (1 + z)) + 25
    return result


def redshift_at_modulus(modulus: Array) -> Array:
    """Redshift (N,) of a distance modulus, between 0.0005 and 0.6; the inverse of the above."""
    return np.interp(modulus, distance_modulus(_REDSHIFTS), _REDSHIFTS)


def kpc_per_arcsec(z: Array) -> Array:
    """Transverse kiloparsecs per arcsecond, from the angular-diameter distance."""
    result: Array = _comoving_distance(z) / (1 + z) * 1000 * np.deg2rad(1 / 3600)
    return result


def volume_per_redshift(z: Array) -> Array:
    """dV/dz per steradian up to a constant: D_C^2 / E(z)."""
    result: Array = _comoving_distance(z) ** 2 / np.sqrt(0.3 * (1 + z) ** 3 + 0.7)
    return result
