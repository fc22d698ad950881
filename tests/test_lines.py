import numpy as np
import pytest

from pix2z.wavelengths import WavelengthGrid, in_vacuum
from pix2z.wavelengths.lines import BLENDS, LINES, at_lines, blend_at, emission_templates


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
    vacuum = in_vacuum(list(air.values()), {"medium": "air"}, "NIST")
    np.testing.assert_allclose([LINES[name] for name in air], vacuum, rtol=1e-5)


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


def test_pixels_at_the_lines_of_a_blend_are_found_at_every_redshift():
    grid = WavelengthGrid(3800.0, 9200.0, 4000)
    z = np.array([0.0, 0.1, 0.39])
    values = np.broadcast_to(grid.values, (3, grid.n))
    places = at_lines(values, grid.values, z)
    expected = 5008.24 * (1 + z)
    np.testing.assert_allclose(places[:, list(BLENDS).index("[O III]"), 1], expected, rtol=1.2e-4)
    assert np.isnan(places[0, 0]).all()  # [O II] at z = 0 lies blueward of the first pixel
    assert np.isfinite(places[1:, 0, :2]).all()
    blends = blend_at(grid.values, z)
    velocity = 299_792.458 * np.log(grid.values / expected[1])
    near = np.abs(velocity) < 290
    assert (blends[1, near] == list(BLENDS).index("[O III]")).all()
    assert (blends[1, (np.abs(velocity) > 310) & (np.abs(velocity) < 2500)] == -1).all()


def test_a_line_has_a_pixel_however_wide_pixels_are():
    grid = WavelengthGrid(3800.0, 9200.0, 100)
    assert {0, 1, 2, 3, 4} < set(blend_at(grid.values, np.array([0.1]))[0])
