import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

from pix2z.errors import InputError
from pix2z.hdf5 import open_hdf5
from pix2z.ingest.units import flux_of, nanomaggies_in


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "raw.h5", "w") as opened:
        opened["images"] = np.zeros(3)
        yield opened


def flux(file, **given):
    """Of a copy, since texts are read from where a file lies."""
    file.flush()
    copy = Path(file.filename).with_name("copy-of-raw.h5")
    shutil.copyfile(file.filename, copy)
    options = {"unit": None, "zero_point": None} | given
    with open_hdf5(copy) as stored:
        return flux_of(stored, stored["images"], copy, **options)


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


@given(st.floats(-10, 40))
def test_a_zero_point_against_astropy(zero_point):
    class Bare:
        attrs: dict = {}

    factor, words = flux_of(Bare(), Bare(), "raw.h5", unit=None, zero_point=zero_point)
    expected = (zero_point * u.ABmag).to(u.nmgy, u.zero_point_flux(3631 * u.Jy)).value
    assert factor == pytest.approx(expected, rel=1e-4)  # ABmag is 3630.78 Jy
    assert words.startswith(f"AB zero point {zero_point:g}")


@pytest.mark.parametrize(("holder", "name"), [("images", "units"), ("/", "unit")])
def test_an_attribute_that_parses_is_enough(file, name, holder):
    file[holder].attrs[name] = "uJy"
    factor, words = flux(file)
    assert factor == pytest.approx(1e3 / 3631)
    assert "uJy, as attribute" in words
    assert "times 0.275406 to nanomaggies" in words


@pytest.mark.parametrize("given", [{"unit": "Jy"}, {"zero_point": 22.5}])
def test_a_contradicting_attribute_is_refused(file, given):
    file["images"].attrs["unit"] = "nJy"
    with pytest.raises(InputError, match="attribute 'unit' of the images 'nJy' contradicts"):
        flux(file, **given)


@pytest.mark.parametrize("given", [{"unit": "nJy"}, {"zero_point": 31.4}])
def test_an_agreeing_or_unreadable_attribute_is_no_contradiction(file, given):
    for text in ("nJy", "1e-3 uJy", "see the paper", "nanojansky"):
        file.attrs["unit"] = text
        assert flux(file, **given)[0] == pytest.approx(1 / 3631, rel=1e-3)


def test_a_given_unit_that_is_none_is_named(file):
    with pytest.raises(InputError, match="ingest.hdf5.unit: expected a flux density.*'furlong'"):
        flux(file, unit="furlong")
