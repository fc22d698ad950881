"""Flux units as factors to nanomaggies, and what a file says of its own."""

import h5py
import numpy as np
import pytest
from astropy import units as u

from pix2z.errors import InputError
from pix2z.hdf5 import open_hdf5
from pix2z.imaging.units import nanomaggies_in
from pix2z.ingest.attributes import read_attributes
from pix2z.said.claims import Claim, Said
from pix2z.said.units import flux_of


def said_unit(unit, where="attribute 'unit' of the images"):
    return Said((Claim("unit", where, (unit,)),))


def flux(said=None, **given):
    """One factor and its words."""
    (factor,), words = flux_of(said or Said(), "raw.h5", **given)
    return factor, words


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
    factor, words = flux(zero_point=zero_point)
    expected = (zero_point * u.ABmag).to(u.nmgy, u.zero_point_flux(3631 * u.Jy)).value
    assert factor == pytest.approx(expected, rel=1e-4)  # ABmag is 3630.78 Jy
    assert words.startswith(f"AB zero point {zero_point:g}")


@pytest.mark.parametrize(("holder", "name"), [("images", "units"), ("/", "unit")])
def test_an_attribute_that_parses_is_enough(tmp_path, name, holder):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)
        file[holder].attrs[name] = "uJy"
    with open_hdf5(path) as file:
        said = read_attributes(file, file["images"], path)
    factor, words = flux(said)
    assert factor == pytest.approx(1e3 / 3631)
    assert f"uJy, as attribute {name!r} of the " in words
    assert "times 0.275406 to nanomaggies" in words


def test_an_attribute_without_a_value_says_nothing(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)
        file["images"].attrs.update(units=h5py.Empty("S1"), missing_value=h5py.Empty("f4"))
    with open_hdf5(path) as file:
        assert read_attributes(file, file["images"], path).claims == ()


@pytest.mark.parametrize("given", [{"unit": "Jy"}, {"zero_point": 22.5}])
def test_a_contradicting_attribute_is_refused_and_an_agreeing_one_is_not(given):
    said = said_unit("nJy")
    with pytest.raises(InputError, match="attribute 'unit' of the images 'nJy' contradicts"):
        flux(said, **given)
    assert flux(said, unit="1e-3 uJy")[0] == pytest.approx(1 / 3631)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (None, "assumed nanomaggy: the file names no unit"),
        ("3.631e-6 Jy", "3.631e-6 Jy, as attribute 'unit' of the file says"),
        ("softened to [0, 1], no flux", "softened to [0, 1], no flux"),
        ("nanomaggy / arcsec2", None),
        ("ADU", None),
    ],
)
def test_a_known_layout_is_in_nanomaggies_or_softened_where_it_says_nothing_else(unit, words):
    said = said_unit(unit, "attribute 'unit' of the file") if unit else Said()
    if words:
        assert flux(said, assumed=True) == (1.0, words)
        return
    expected = (
        r"raw\.h5: attribute 'unit' of the file .*: expected a flux density .*ingest.hdf5.unit"
    )
    with pytest.raises(InputError, match=expected):
        flux(said, assumed=True)
