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


def change(path, name, value):
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("wavelength", None, "key 'wavelength' is missing"),
        ("flux", np.ones((N, L + 1)), r"flux: expected \(N, 50\).*; received \(7, 51\)"),
        ("flux", np.ones((0, L)), r"flux: expected \(N, 50\), none empty; received \(0, 50\)"),
        ("flux", h5py.Empty("f4"), r"flux: expected \(N, 50\), none empty; received \(\)"),
        ("flux", np.full((N, L), b"x"), "flux: expected numbers"),
        ("flux_error", np.ones((N, 3)), r"flux_error: expected \(7, 50\).*; received \(7, 3\)"),
        ("wavelength", np.linspace(4000, 9000, L), "wavelength: .*equal steps"),
        ("basis/flux", np.ones((3, 8)), r"basis/flux: expected \(T, "),
        ("basis/flux", np.full((3, len(REST)), np.nan), "basis: templates: expected finite"),
        ("redshift_range", [0.1], r"redshift_range: expected \(2,\).*; received \(1,\)"),
    ],
)
def test_what_is_not_as_expected_is_named(path, name, value, said):
    change(path, name, value)
    with pytest.raises(InputError, match=f"{path}: {said}"), open_spectra(path):
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.write_direct(np.array([0.4, 0.1])), "expected -1 < first < last redshift"),
        (lambda d: d.attrs.pop("n_pixels"), "expected attribute 'n_pixels', a whole number"),
        (lambda d: d.attrs.update(degree="one"), "expected attribute 'degree', a whole number"),
        (lambda d: d.attrs.update(n_templates=0), "expected n_templates of 1 or more; received 0"),
        (lambda d: d.attrs.update(n_pixels=24), "expected n_pixels to divide 50 wavelengths"),
    ],
)
def test_a_search_that_makes_no_sense_is_named(path, change, said):
    with h5py.File(path, "r+") as file:
        change(file["redshift_range"])
    with pytest.raises(InputError, match=f"{path}: redshift_range: {said}"), open_spectra(path):
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


@pytest.mark.parametrize(
    ("key", "name", "value", "said"),
    [
        ("wavelength", "unit", "GHz", "expected a unit such as Angstrom; received 'GHz'"),
        ("wavelength", "scale_factor", 10.0, "attribute 'scale_factor': expected numbers that"),
        ("flux", "scale_factor", 10.0, "attribute 'scale_factor': expected numbers that"),
        ("flux_error", "_FillValue", -99.0, "attribute '_FillValue': expected numbers that"),
        ("flux", "unit", "uJy", "expected a flux per Angstrom; received 'uJy'"),
        ("flux_error", "unit", "erg / (s cm2 Angstrom)", "expected the unit of flux, '1e-17 erg"),
    ],
)
def test_what_the_file_says_of_its_numbers_is_not_passed_over(path, key, name, value, said):
    with h5py.File(path, "r+") as file:
        file[key].attrs[name] = value
    with pytest.raises(InputError, match=f"{path}: {key}: {said}"), open_spectra(path):
        pass


def test_another_schema_is_named(path):
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "pix2z-spectra 2"
    said = r"schema 'pix2z-spectra 1'\); received schema 'pix2z-spectra 2'"
    with pytest.raises(InputError, match=said), open_spectra(path):
        pass
