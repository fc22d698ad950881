import h5py
import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.spectra.search import Search
from pix2z.spectra.spectrum_files import SCHEMA, open_spectra, spectrum_writer
from pix2z.wavelengths import FLUX_UNIT
from tests.spectra.galaxies import REST, templates

L, N = 50, 7
WAVELENGTH = np.geomspace(4000, 9000, L)
RNG = np.random.default_rng(0)
FLUX = RNG.normal(1, 1, (N, L)).astype(np.float32)
ERROR = RNG.uniform(0.1, 0.2, (N, L)).astype(np.float32)
IDS = np.arange(N) + 2**60
SEARCH = Search(0.0, 0.4, degree=1, n_templates=3, n_pixels=25)


def write(path, **options):
    with spectrum_writer(
        path, WAVELENGTH, n=N, unit=FLUX_UNIT, columns={"object_id": np.int64}, **options
    ) as writer:
        for rows in (slice(0, 3), slice(3, 3), slice(3, N)):
            writer.append(flux=FLUX[rows], flux_error=ERROR[rows], object_id=IDS[rows])


@pytest.fixture
def path(tmp_path):
    options = {"basis": templates(), "search": SEARCH}
    write(tmp_path / "spectra.h5", attributes={"source": "artificial"}, **options)
    return tmp_path / "spectra.h5"


def test_what_is_written_is_read(path):
    with open_spectra(path) as spectra:
        assert len(spectra) == N
        np.testing.assert_array_equal(spectra.wavelength, WAVELENGTH)
        flux, ivar = spectra.read(2, 6)
        np.testing.assert_array_equal(flux, FLUX[2:6])
        np.testing.assert_allclose(ivar, 1 / ERROR[2:6] ** 2, rtol=1e-6)
        np.testing.assert_array_equal(spectra.basis.flux, templates().flux)
        np.testing.assert_array_equal(spectra.basis.wavelength, templates().wavelength)
        assert not spectra.basis.non_negative
        assert spectra.search == SEARCH
    with h5py.File(path) as file:
        expected = {"schema": SCHEMA, "unit": FLUX_UNIT, "source": "artificial"}
        assert dict(file.attrs) == expected
        assert file["flux"].dtype == np.float32
        np.testing.assert_array_equal(file["object_id"], IDS)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_errors_ids_and_basis_may_be_absent(tmp_path):
    with spectrum_writer(
        tmp_path / "bare.h5", WAVELENGTH, n=N, unit="", with_errors=False
    ) as writer:
        writer.append(flux=FLUX)
    with open_spectra(tmp_path / "bare.h5") as spectra:
        flux, ivar = spectra.read(0, N)
        assert ivar is None
        np.testing.assert_array_equal(flux, FLUX)
        assert len(spectra) == N
        assert spectra.basis is None
        assert spectra.search is None


def test_an_error_that_is_none_is_no_weight(path):
    with h5py.File(path, "r+") as file:
        file["flux_error"][0, :4] = [0.0, -1.0, np.nan, np.inf]
    with open_spectra(path) as spectra:
        _, ivar = spectra.read(0, 1)
    np.testing.assert_array_equal(ivar[0, :4], 0)
    assert (ivar[0, 4:] > 0).all()


def test_an_unfinished_file_is_not_left_behind_and_an_old_one_stays(path):
    before = path.read_bytes()
    with (
        pytest.raises(ValueError, match="expected 7 rows in all; got 2"),
        spectrum_writer(path, WAVELENGTH, n=N, unit="", with_errors=False) as writer,
    ):
        writer.append(flux=FLUX[:2])
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_blocks_that_do_not_fit_are_refused(tmp_path):
    fitting = {"flux": FLUX, "flux_error": ERROR, "object_id": IDS}
    twice = {name: np.concatenate([values, values]) for name, values in fitting.items()}
    for block, said in (
        ({"flux": FLUX}, r"expected \['flux', 'flux_error', 'object_id'\]"),
        (fitting | {"flux": FLUX[:, 1:]}, "flux must have shape"),
        (fitting | {"flux_error": ERROR[:2]}, "flux_error must have"),
        (twice, "got at least 14"),
    ):
        columns = {"object_id": np.int64}
        with (
            pytest.raises(ValueError, match=said),
            spectrum_writer(tmp_path / "x.h5", WAVELENGTH, n=N, unit="", columns=columns) as writer,
        ):
            writer.append(**block)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("unit", [None, f"1 / ({FLUX_UNIT})^2", "10**34 cm4 s2 Angstrom2 / erg2"])
def test_inverse_variances_are_read_in_place_of_errors(path, unit):
    given = np.tile(np.float32([0.0, -1.0, np.nan, np.inf, 25.0]), (N, L // 5))
    with h5py.File(path, "r+") as file:
        del file["flux_error"]
        file["ivar"] = given
        file["flags"] = np.zeros(N)  # a column
        if unit:
            file["ivar"].attrs["unit"] = unit
    with open_spectra(path) as spectra:
        _, ivar = spectra.read(0, N)
    np.testing.assert_array_equal(ivar, np.where(given == 25, given, 0))


def put(name, value):
    """Put another array in the place of one."""

    def change(file):
        del file[name]
        file[name] = value

    return change


def add(name):
    return lambda file: file.create_dataset(name, data=np.zeros((N, L)))


def renamed_with(unit):
    """Call flux_error ivar, in a unit."""

    def change(file):
        file.move("flux_error", "ivar")
        file["ivar"].attrs["unit"] = unit

    return change


def says(key, **attributes):
    return lambda file: file[key].attrs.update(attributes)


FAULTS = {
    "expected spectra.*received schema 'pix2z-spectra 2'": says("/", schema="pix2z-spectra 2"),
    "key 'wavelength' is missing": lambda file: file.pop("wavelength"),
    "wavelength: .*equal steps": put("wavelength", np.linspace(4000, 9000, L)),
    "wavelength: expected a unit such as Angstrom; received 'GHz'": says("wavelength", unit="GHz"),
    "wavelength: attribute 'scale_factor': expected numbers that": says(
        "wavelength", scale_factor=10.0
    ),
    r"flux: expected \(N, 50\).*; received \(7, 51\)": put("flux", np.ones((N, L + 1))),
    r"flux: expected \(N, 50\), none empty; received \(0, 50\)": put("flux", np.ones((0, L))),
    r"flux: expected \(N, 50\), none empty; received \(\)": put("flux", h5py.Empty("f4")),
    "flux: expected numbers": put("flux", np.full((N, L), b"x")),
    "flux: expected a flux per Angstrom; received 'uJy'": says("flux", unit="uJy"),
    r"flux_error: expected \(7, 50\).*; received \(7, 3\)": put("flux_error", np.ones((N, 3))),
    "flux_error: attribute '_FillValue': expected": says("flux_error", _FillValue=-99.0),
    "flux_error: expected the unit of flux, '1e-17 erg": says(
        "flux_error", unit="erg / (s cm2 Angstrom)"
    ),
    "ivar: expected either it or flux_error; received both": add("ivar"),
    "flux_ivar: expected errors in flux_error .* or ivar": add("flux_ivar"),
    "and_mask: expected errors in flux_error .* nothing else": add("and_mask"),
    "Mask: expected errors in": lambda file: file.create_dataset("Mask", data=np.zeros(L)),
    "ivar: expected 1 over the square of the unit of flux, '1e-17 erg": renamed_with(FLUX_UNIT),
    r"basis/flux: expected \(T, ": put("basis/flux", np.ones((3, 8))),
    "basis: templates: expected finite": put("basis/flux", np.full((3, len(REST)), np.nan)),
    r"redshift_range: expected \(2,\).*; received \(1,\)": put("redshift_range", [0.1]),
    "redshift_range: expected -1 < first < last": lambda file: file["redshift_range"].write_direct(
        np.array([0.4, 0.1])
    ),
    "redshift_range: expected attribute 'degree', a whole": says("redshift_range", degree="one"),
    "redshift_range: expected n_templates of 1 or more": says("redshift_range", n_templates=0),
    "redshift_range: expected n_pixels to divide 50": says("redshift_range", n_pixels=24),
}


@pytest.mark.parametrize("message", FAULTS)
def test_what_is_not_as_expected_is_named(path, message):
    with h5py.File(path, "r+") as file:
        FAULTS[message](file)
    with pytest.raises(InputError, match=f"{path}: {message}"), open_spectra(path):
        pass


@pytest.mark.parametrize(
    ("of_file", "of_wavelength"),
    [
        ({}, {"unit": "Angstrom (air)"}),
        ({}, {"vacuum": np.array([0])}),
        ({"AIRORVAC": "air"}, {"unit": "Angstrom"}),
    ],
)
def test_wavelengths_that_the_file_says_are_in_air_are_converted(path, of_file, of_wavelength):
    with h5py.File(path, "r+") as file:
        file.attrs.update(of_file)
        file["wavelength"].attrs.update(of_wavelength)
    with open_spectra(path) as spectra:
        ratio = spectra.wavelength / WAVELENGTH
    np.testing.assert_allclose(ratio[[0, -1]], [1.0002825, 1.0002745], rtol=0, atol=3e-7)


@pytest.mark.parametrize(
    ("unit", "angstrom"), [("nm", 10.0), ("Angstrom", 1.0), ("micron (vacuum)", 1e4), ("Ang", 1.0)]
)
def test_wavelengths_in_another_unit_are_converted(path, unit, angstrom):
    with h5py.File(path, "r+") as file:
        file["wavelength"][:] = WAVELENGTH / angstrom
        file["wavelength"].attrs["units"] = unit
        file["flux"].attrs["_FillValue"] = np.nan
        file["flux"].attrs["scale_factor"] = h5py.Empty("f4")
        file["flux"].attrs["BUNIT"] = "1E-17 erg/cm^2/s/Ang"
    with open_spectra(path) as spectra:
        np.testing.assert_allclose(spectra.wavelength, WAVELENGTH, rtol=1e-12)
