"""Spectra in physical units, written as they come, of a network whose answers are known."""

import tracemalloc
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from pix2z.catalogue.spectra import EBV_COLUMN, spectrum_attributes, stamps_of_survey
from pix2z.config.spectrum import TemplateSearchConfig
from pix2z.dataset.photometry import fibre_share
from pix2z.dataset.stamps import clean_stamps
from pix2z.redshift_pdf.flags import SPECTRUM_FLAG_MEANINGS
from pix2z.redshift_pdf.redshifts import image_flags
from pix2z.sky.filters import flux_density_per_nanomaggy
from pix2z.spectra.reconstructions import SPECTRUM_COLUMNS, write_reconstructions
from pix2z.spectra.search import Search
from pix2z.spectra.spectrum_files import open_spectra
from pix2z.spectrum_network.estimator import Reconstruction
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.spectrum_network.units import mean_flux_r, physical_blocks, redshift_columns
from pix2z.wavelengths import WavelengthGrid
from tests.catalogue.conftest import make_survey, redshift_of

SHIFTS = ShiftGrid(WavelengthGrid(3800.0, 9200.0, 400), 8, 0.0, 0.4)


class PixelsAreShapes:
    """Gives a galaxy whose every pixel is x the relative spectrum 1 + x (lambda / 6000)."""

    record = {"arm": "virtual", "targets": "parent"}
    rest_wavelength = np.geomspace(2500.0, 9500.0, 50)
    rest_basis = np.random.default_rng(1).normal(1.0, 0.1, (2, 50))
    digest = "abc"
    shifts = SHIFTS
    search = TemplateSearchConfig(n_templates=1, degree=1, n_pixels=100)

    def reconstruct(self, images, ebv=None):
        images, ebv = clean_stamps(images, ebv)
        x = np.nan_to_num(np.nanmedian(np.nan_to_num(images), axis=(1, 2, 3)))
        flux = (1 + x[:, None] * SHIFTS.wavelengths.values / 6000.0).astype(np.float32)
        shares = np.zeros((len(x), SHIFTS.n), np.float32)
        shares[np.arange(len(x)), np.arange(len(x)) % SHIFTS.n] = 1.0
        half = np.full_like(flux, 0.1)
        mean_flux, flags = mean_flux_r(images, ebv), image_flags(images, ebv)
        line = np.full((len(flux), 5), 0.3, np.float32)
        bands = half, 2 * half, line, 2 * line
        return Reconstruction(flux, *bands, shares, mean_flux, fibre_share(images), flags)


def write(path, survey, *, ebv=None):
    network = PixelsAreShapes()
    return write_reconstructions(
        path,
        network,
        physical_blocks(network, stamps_of_survey(survey, ebv=ebv)),
        n=len(survey.table),
        columns=EBV_COLUMN,
        attributes=spectrum_attributes(network, survey, ebv=ebv),
    )


@pytest.fixture
def survey(tmp_path):
    """Return a function that makes a survey of n galaxies, in a file that is empty."""

    def make(n, **options):
        (tmp_path / "in.h5").touch()
        return make_survey(n, path=str(tmp_path / "in.h5"), **options)

    return make


@pytest.mark.parametrize("ebv", [0.0, 0.3])
def test_the_r_flux_of_the_stamp_makes_the_units_physical(survey, tmp_path, ebv):
    """Every pixel of a galaxy is x nanomaggies: within 6 arcsec of the middle, x times the area."""
    found = write(tmp_path / "s.hdf5", survey(300), ebv=ebv)
    assert (found.n_flagged, set(found.n_by_flag)) == (0, {1, 2, 4, 8, 16})
    x = redshift_of(np.arange(300))
    area = np.pi * (6.0 / 0.396) ** 2
    brightness = x * area * 10 ** (0.4 * 2.751 * ebv) * flux_density_per_nanomaggy("r")
    with h5py.File(tmp_path / "s.hdf5", "r") as file:
        np.testing.assert_allclose(file["mean_flux_r"][...], brightness, rtol=1e-3)
        wavelength = file["wavelength"][...]
        shape = 1 + x[:, None] * wavelength / 6000.0
        np.testing.assert_allclose(file["flux"][...], brightness[:, None] * shape, rtol=1e-3)
        np.testing.assert_allclose(file["flux_error"][:, 7], 0.1 * brightness, rtol=1e-3)
        np.testing.assert_allclose(file["flux_error95"][:, 7], 0.2 * brightness, rtol=1e-3)
        np.testing.assert_allclose(file["line_error"][:, 4], 0.3 * brightness, rtol=1e-3)
        np.testing.assert_allclose(file["line_error95"][:, 0], 0.6 * brightness, rtol=1e-3)
        np.testing.assert_allclose(file["fibre_share"][...], (1.5 / 6.0) ** 2, rtol=0.02)
        assert file.attrs["lines"].startswith("[O II]: 3727.09, 3729.88 Angstrom; H beta: 4862.68")
        np.testing.assert_array_equal(file["object_id"][...], 10**18 + 7 * np.arange(300))
        assert set(SPECTRUM_COLUMNS) <= set(file)
        assert file.attrs["arm"] == "virtual"
        assert "8: every band is blank, so there is no spectrum" in file.attrs["pix2z_flags"]
        assert file.attrs["input_sha256"].startswith("{")
    with open_spectra(tmp_path / "s.hdf5") as spectra:
        assert len(spectra) == 300
        np.testing.assert_allclose(spectra.basis.flux, PixelsAreShapes.rest_basis)
        assert spectra.search == Search(0.0, 0.4, degree=1, n_templates=1, n_pixels=100)


def test_redshifts_are_those_of_the_bins():
    n = SHIFTS.n
    found = SimpleNamespace(flux=np.ones((n, 3)), shares=np.eye(n, dtype=np.float32))
    columns = redshift_columns(found, SHIFTS)
    centres = np.clip(np.expm1(SHIFTS.centres), 0.0, 0.4)
    np.testing.assert_allclose(columns["pix2z_z_median"], centres, atol=1e-6)
    half = 0.34 * SHIFTS.width
    low, high = (np.clip(np.expm1(SHIFTS.centres + d), 0.0, 0.4) for d in (-half, half))
    np.testing.assert_allclose(columns["pix2z_z_err68_low"], low, atol=1e-5)
    np.testing.assert_allclose(columns["pix2z_z_err68_high"], high, atol=1e-5)
    plain = redshift_columns(SimpleNamespace(flux=found.flux, shares=None), SHIFTS)
    assert all(np.isnan(values).all() and len(values) == n for values in plain.values())


def test_flags_are_counted_and_blank_galaxies_have_no_spectrum(survey, tmp_path):
    def alter(rows, images):
        for row, spoil in ((0, np.s_[:]), (1, np.s_[..., 2]), (2, np.s_[:3, :3])):
            images[rows == row, *([spoil] if not isinstance(spoil, tuple) else spoil)] = np.nan

    found = write(tmp_path / "s.hdf5", survey(5, alter=alter))
    assert found.n_by_flag == {1: 2, 2: 1, 4: 0, 8: 1, 16: 1}
    assert found.n_flagged == 3
    assert set(SPECTRUM_FLAG_MEANINGS) == set(found.n_by_flag)
    with h5py.File(tmp_path / "s.hdf5", "r") as file:
        assert file["pix2z_flags"][...].tolist() == [9, 17, 2, 0, 0]
        assert file["mean_flux_r"][1] == 1  # its spectrum stays relative to r
        for name in ("flux", "flux_error", "flux_error95", "pix2z_z_median", "mean_flux_r"):
            missing = np.isnan(file[name][...]).reshape(5, -1).all(axis=1)
            assert missing.tolist() == [True, False, False, False, False]


def test_an_impossible_ebv_is_unknown_in_the_file_and_flagged(survey, tmp_path):
    """Once, its spectra were NaN, and none was flagged."""
    wild = np.array([0.1, 99, -99, np.inf, 3.0], np.float32)
    found = write(tmp_path / "s.hdf5", survey(5, ebv=wild))
    assert found.n_by_flag[4] == found.n_flagged == 3
    with h5py.File(tmp_path / "s.hdf5") as file:
        np.testing.assert_array_equal(file["ebv"], np.array([0.1, *[np.nan] * 3, 3.0], np.float32))
        for name in ("flux", "flux_error", "flux_error95", "mean_flux_r"):
            assert np.isfinite(file[name]).all()


def test_very_many_files_fit_the_attributes(survey, tmp_path, monkeypatch):
    monkeypatch.setattr("pix2z.catalogue.spectra.LONGEST_ATTRIBUTE", 50)
    write(tmp_path / "s.hdf5", survey(3))
    with h5py.File(tmp_path / "s.hdf5", "r") as file:
        assert file.attrs["input_sha256"].startswith("SHA-256 of this text: ")


def test_memory_does_not_grow_with_the_survey(survey, tmp_path):
    peaks = []
    for n in (600, 600, 6000):  # the first warms up
        tracemalloc.start()
        write(tmp_path / "s.hdf5", survey(n))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 6000 * 200  # columns of the table; a spectrum has 1,600 bytes
