import numpy as np
import pytest

from pix2z.spectra.templates import PHASES, Templates, template_lattice, with_emission_lines
from pix2z.wavelengths import wavelength_grid
from tests.spectra.galaxies import REST, WAVELENGTH, shape, templates


def test_a_place_is_the_template_at_that_redshift():
    grid = wavelength_grid(WAVELENGTH)
    lattice = template_lattice(templates(), grid, z_min=0.0, z_max=0.5, margin=PHASES)
    first, last = lattice.ln_first, lattice.ln_first - (lattice.n_places - 1) * lattice.step
    assert first >= np.log(1.5) + lattice.step * (PHASES - 1)
    assert last == pytest.approx(-PHASES * lattice.step)
    for place in (0, 1, 2, 3, 1001, lattice.n_places - 1):
        z = np.expm1(lattice.ln_first - place * lattice.step)
        flux, known = lattice.at(place, grid.n)
        assert known.all()
        for kind in range(3):
            expected = shape(WAVELENGTH / (1 + z), kind)
            scale = flux[kind] @ expected / (expected @ expected)
            np.testing.assert_allclose(flux[kind], scale * expected, atol=2e-3 * flux[kind].max())


def test_what_templates_do_not_reach_is_not_known():
    grid = wavelength_grid(WAVELENGTH)
    short = Templates(np.geomspace(3800, 6000, 900), np.ones((1, 900)), non_negative=True)
    lattice = template_lattice(short, grid, z_min=0.0, z_max=0.3, margin=PHASES)
    flux, known = lattice.at(lattice.n_places - 1 - PHASES, grid.n)  # z = 0
    np.testing.assert_array_equal(known > 0, (WAVELENGTH >= 3800) & (WAVELENGTH <= 6000))
    np.testing.assert_array_equal(flux[0] != 0, known > 0)


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
        (np.arange(1.0, 6.0), np.ones((0, 5)), r"flux \(T, 5\)"),
        (np.arange(1.0, 6.0), np.full((1, 5), np.nan), "finite"),
        (np.arange(0.0, 5.0), np.ones((1, 5)), "positive, increasing"),
        (np.arange(6.0, 1.0, -1), np.ones((1, 5)), "positive, increasing"),
    ],
)
def test_arrays_that_are_no_templates_are_refused(wavelength, flux, said):
    with pytest.raises(ValueError, match=said):
        Templates(wavelength, flux, non_negative=True)
