import numpy as np
import pytest

from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.sky.filters import flux_density_per_nanomaggy
from pix2z.spectrum_network.units import FLUX_DENSITY_R, mean_flux_r, physical_answer
from tests.spectrum_network.spectra import SHIFTS


def gaussian(flux):
    """A stamp (32, 32, 5) whose r band holds `flux` nanomaggies."""
    y, x = np.mgrid[:32, :32] - 15.5
    profile = np.exp(-(x**2 + y**2) / (2 * 3.0**2))
    stamp = np.ones((32, 32, 5), np.float32)
    stamp[..., 2] = flux * profile / profile.sum()
    return stamp


def test_a_nanomaggy_in_r_is_an_ab_flux_density_without_galactic_extinction():
    """f_nu c / lambda^2 at r's pivot wavelength, 6166 Angstrom (Doi et al. 2010).

    A_r = 2.751 E(B-V), Schlegel, Finkbeiner & Davis (1998).
    """
    images = np.stack([gaussian(100.0), gaussian(200.0), gaussian(100.0)])
    found = mean_flux_r(images, np.array([0.0, np.nan, 0.1]))
    expected = 100 * 3.631e-29 * 2.99792458e18 / 6166**2 / 1e-17
    np.testing.assert_allclose(found[:2], [expected, 2 * expected], rtol=0.02)
    assert found[2] / found[0] == pytest.approx(10 ** (0.4 * 0.2751))
    assert pytest.approx(flux_density_per_nanomaggy("r"), rel=1e-12) == FLUX_DENSITY_R


def test_without_flux_in_r_a_spectrum_stays_relative():
    from pix2z.spectrum_network.estimator import Reconstruction

    images = np.stack([gaussian(100.0), gaussian(-5.0), np.full((32, 32, 5), np.nan, np.float32)])
    relative = np.ones((3, 7), np.float32)
    flags = np.array([0, 2, 3], np.int32)
    mean_flux = mean_flux_r(images, np.zeros(3))
    bands = [share * relative for share in (0.1, 0.2, 0.3, 0.4)]
    share = np.full((3, 5), 0.3)
    found = Reconstruction(relative, *bands, None, mean_flux, share, flags)
    physical = physical_answer(found, SHIFTS)
    assert list(physical["pix2z_flags"]) == [0, 2 + ImageFlag.NO_R_FLUX, 3 + ImageFlag.NO_R_FLUX]
    np.testing.assert_array_equal(physical["flux"][1:], relative[1:])
    np.testing.assert_allclose(physical["flux_error95"] / physical["flux"], 0.2, rtol=1e-6)
    assert physical["flux"][0, 0] == physical["mean_flux_r"][0] > 20
