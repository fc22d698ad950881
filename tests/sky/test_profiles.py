import galsim
import numpy as np
import pytest
from scipy.integrate import quad

from pix2z.sky import profiles


def test_psf_has_unit_flux_and_fwhm():
    psf = galsim.Sum([galsim.Gaussian(flux=f, sigma=s) for f, s in profiles.PSF_COMPONENTS])
    assert psf.flux == pytest.approx(1)
    assert psf.calculateFWHM(scale=0.02) == pytest.approx(1, rel=1e-2)
    core, wings = (share / sigma**2 for share, sigma in profiles.PSF_COMPONENTS)
    at_half = sum(
        peak * np.exp(-0.5 * (0.5 / sigma) ** 2)
        for peak, (_, sigma) in zip((core, wings), profiles.PSF_COMPONENTS, strict=True)
    )
    assert wings / core == pytest.approx(0.1)
    assert at_half / (core + wings) == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize(("fraction", "ratio"), [(0.0, 0.3), (0.4, 0.35), (0.95, 0.75)])
def test_composite_holds_half_its_light_within_one(fraction, ratio):
    disc = float(profiles.disc_radius_of_composite(np.array([fraction]), np.array([ratio]))[0])
    scale = disc * profiles.DISC_SCALE
    light, _ = quad(lambda r: r * np.exp(-r / scale) / scale**2, 0, 1)
    bulge = galsim.Spergel(nu=profiles.SPERGEL_INDEX, half_light_radius=ratio * disc)
    inside = (1 - fraction) * light + fraction * bulge.calculateIntegratedFlux(1.0)
    assert inside == pytest.approx(0.5, abs=1e-6)
