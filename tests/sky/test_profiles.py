import galsim
import numpy as np
import pytest
from scipy.integrate import quad

from pix2z.sky import profiles


@pytest.mark.parametrize("wing_share", [0.15, 0.3, 0.5])
def test_psf_has_unit_flux_and_fwhm(wing_share):
    shares, sigmas = profiles.psf_components(np.array(wing_share))
    psf = galsim.Sum(
        [galsim.Gaussian(flux=f, sigma=s) for f, s in zip(shares, sigmas, strict=True)]
    )
    assert psf.flux == pytest.approx(1)
    assert shares[1] == wing_share
    assert psf.calculateFWHM(scale=0.02) == pytest.approx(1, rel=1e-2)
    peaks = shares / sigmas**2
    at_half = (peaks * np.exp(-0.5 * (0.5 / sigmas) ** 2)).sum()
    assert at_half / peaks.sum() == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize(("fraction", "ratio"), [(0.0, 0.3), (0.4, 0.35), (0.95, 0.75)])
def test_composite_holds_half_its_light_within_one(fraction, ratio):
    disc = float(profiles.disc_radius_of_composite(np.array([fraction]), np.array([ratio]))[0])
    scale = disc * profiles.DISC_SCALE
    light, _ = quad(lambda r: r * np.exp(-r / scale) / scale**2, 0, 1)
    bulge = galsim.Spergel(nu=profiles.SPERGEL_INDEX, half_light_radius=ratio * disc)
    inside = (1 - fraction) * light + fraction * bulge.calculateIntegratedFlux(1.0)
    assert inside == pytest.approx(0.5, abs=1e-6)
