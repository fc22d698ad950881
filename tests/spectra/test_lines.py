import numpy as np
import pytest

from pix2z.spectra.lines import LINES, emission_templates


def edlen_vacuum(air: float) -> float:
    """Vacuum wavelength of an air wavelength, Angstrom (Ciddor 1996, as SDSS uses it)."""
    sigma2 = (1e4 / air) ** 2
    return air * (1 + 0.05792105 / (238.0185 - sigma2) + 0.00167917 / (57.362 - sigma2))


def test_wavelengths_are_those_of_the_laboratory_in_vacuum():
    """Air wavelengths of NIST's tables."""
    air = {
        "[O II] 3727": 3726.03,
        "[O II] 3730": 3728.82,
        "Ca K": 3933.663,
        "Ca H": 3968.469,
        "H delta": 4101.74,
        "H gamma": 4340.47,
        "H beta": 4861.33,
        "[O III] 4960": 4958.91,
        "[O III] 5008": 5006.84,
        "H alpha": 6562.80,
        "[N II] 6585": 6583.45,
        "[S II] 6718": 6716.44,
        "[S II] 6733": 6730.82,
        "Ca II 8544": 8542.09,
    }
    for name, wavelength in air.items():
        assert LINES[name] == pytest.approx(edlen_vacuum(wavelength), rel=1e-5), name


def test_a_doublet_has_its_ratio():
    wavelength = np.geomspace(3500, 7000, 20_000)
    found = emission_templates(wavelength, sigma=100.0)
    oxygen = found[np.abs(wavelength[found.argmax(axis=1)] - 5008.24).argmin()]
    strong, weak = (np.interp(one, wavelength, oxygen) for one in (5008.24, 4960.295))
    assert strong / weak == pytest.approx(2.98, rel=1e-3)
    half = wavelength[oxygen > strong / 2]
    half = half[half > 5000]
    fwhm = 299_792.458 * np.log(half[-1] / half[0])
    assert fwhm == pytest.approx(2.3548 * 100.0, rel=0.1)
