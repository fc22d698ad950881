"""Flux units and zero points as factors to nanomaggies."""

import pytest
from astropy import units as u

from pix2z.imaging.units import nanomaggies_in
from pix2z.said.claims import Said
from pix2z.said.units import flux_of


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        (" Nanomaggies", 1.0),
        ("nMgy", 1.0),
        ("maggy", 1e9),
        ("3.631 uJy", 1.0),
        ("erg / (s cm2 Hz)", 1e32 / 3631),
        ("", None),
        ("adu", None),
        ("mag(AB)", None),
        ("erg / (s cm2 AA)", None),
        ("MJy/sr", None),
    ],
)
def test_a_flux_density_in_nanomaggies_and_nothing_else(unit, factor):
    assert nanomaggies_in(unit) == (factor and pytest.approx(factor, rel=1e-9))


@pytest.mark.parametrize("zero_point", [-2.5, 22.5, 31.4])
def test_a_zero_point_against_astropy(zero_point):
    (factor,), words = flux_of(Said(), "raw.h5", zero_point=zero_point)
    expected = (zero_point * u.ABmag).to(u.nmgy, u.zero_point_flux(3631 * u.Jy)).value
    assert factor == pytest.approx(expected, rel=1e-4)  # ABmag is 3630.78 Jy
    assert words.startswith(f"AB zero point {zero_point:g}")
