"""``pix2z spectrum`` on files of images, and what it draws."""

import resource
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from matplotlib.image import imread

from pix2z.config.networks import HybridConfig
from pix2z.config.spectrum import SpectrumConfig
from pix2z.files import file_digest, read_json, write_json
from pix2z.network.saved_json import seal
from pix2z.spectra.spectrum_files import open_spectra
from pix2z.spectrum_network.architectures import fresh_spectrum_model
from pix2z.spectrum_network.estimator import (
    ErrorBand,
    SpectrumEstimator,
    load_spectrum_estimator,
    save_spectrum_estimator,
)
from pix2z.spectrum_network.shifts import ShiftGrid
from tests.cli.conftest import N
from tests.cli.test_predict import LAYOUTS

ROOT = Path(__file__).parents[2]
BANDS = 3  # ranges of wavelength of the error band: 120 pixels


def save_plain(folder: Path) -> None:
    """Save a plain network that saw no data."""
    settings = SpectrumConfig.read(ROOT / "params.yaml")
    grid = settings.wavelength.model_copy(update={"n": 120})
    search = settings.templates.model_copy(update={"n_pixels": 40})
    settings = settings.model_copy(
        update={"wavelength": grid, "n_templates": 3, "templates": search}
    )
    encoder = HybridConfig.read(ROOT / "params.yaml").model_copy(
        update={"trunk_filters": (2,), "dense_units": (4,)}
    )
    shifts = ShiftGrid(grid.grid, settings.stride, 0.0, 0.4)
    keras.utils.set_random_seed(1)
    model = fresh_spectrum_model("plain", settings, encoder, shifts)
    estimator = SpectrumEstimator(
        decoder="plain",
        model=model,
        shifts=shifts,
        band=ErrorBand(np.full(BANDS, 0.1), np.full(BANDS, 1.0), np.full(BANDS, 2.0)),
        rest_wavelength=np.geomspace(2500.0, 9500.0, 300),
        rest_basis=np.random.default_rng(3).normal(1.0, 0.2, (3, 300)),
        record={"arm": folder.name, "targets": "parent"},
    )
    save_spectrum_estimator(folder, estimator, settings=settings, encoder=encoder)


@pytest.fixture
def run(images_folder, pix2z_in, tmp_path):
    """Return what runs ``pix2z spectrum`` there: exit code, stdout, stderr."""

    def call(file, *options, out="s.hdf5", model="full"):
        wanted = ("--model", model, "--out", tmp_path / out)
        return pix2z_in(images_folder, "spectrum", file, *wanted, *options)

    return call


def read(path):
    with h5py.File(path, "r") as file:
        return {key: file[key][...] for key in file if key != "basis"}, dict(file.attrs)


@pytest.fixture(scope="module")
def galaxies(images_folder):
    with h5py.File(images_folder / "galaxies.h5", "r") as file:
        return {name: file[name][...] for name in ("images", "ebv", "object_id")}


@pytest.mark.parametrize("name", ["sdss32.h5", "hdf5.h5"])
def test_the_same_galaxies_get_the_same_spectra_in_every_layout(
    run, images_folder, galaxies, tmp_path, name
):
    code, said, errors = run(name, *LAYOUTS[name])
    assert code == 0, errors
    found, attributes = read(tmp_path / "s.hdf5")
    network = load_spectrum_estimator(images_folder / "spectrum/models/full")
    direct = network.reconstruct(galaxies["images"], galaxies["ebv"])
    relative = found["flux"] / found["mean_flux_r"][:, None]
    np.testing.assert_allclose(relative, direct.flux, rtol=1e-3, atol=1e-4)
    assert len(np.unique(relative[:, 60])) == N  # else any order of rows would pass
    np.testing.assert_array_equal(found["object_id"], galaxies["object_id"])
    np.testing.assert_allclose(found["ebv"], galaxies["ebv"], rtol=1e-6)
    np.testing.assert_array_equal(found["flags"], np.where(np.arange(N) == 3, 2, 0))
    assert (found["flux_error95"] > found["flux_error"]).all()
    assert attributes["model_digest"] == network.digest
    assert attributes["arm"] == "full"
    assert attributes["input"] == name
    assert file_digest(images_folder / name) in attributes["input_sha256"]
    assert said.startswith("40 galaxies in ")
    assert said.count("\n") == 1
    assert "1 flagged (pixels are masked or impossible: 1); spectra in " in said


def test_the_file_is_one_that_redshifts_are_read_from(run, tmp_path, pix2z_in):
    assert run("sdss32.h5")[0] == 0
    with open_spectra(tmp_path / "s.hdf5") as spectra:
        assert len(spectra) == N
        assert spectra.unit == "1e-17 erg / (s cm2 Angstrom)"
        assert spectra.basis.flux.shape[0] == 3
    code, _, errors = pix2z_in(tmp_path, "redshift", tmp_path / "s.hdf5", "--out", "z.csv")
    assert code == 0, errors
    assert (tmp_path / "z.csv").read_text().count("\n") == N + 1


def test_a_plain_network_has_spectra_but_no_redshifts(run, tmp_path):
    save_plain(tmp_path / "plain")
    code, _, errors = run("sdss32.h5", "--plot", tmp_path / "p.png", model=tmp_path / "plain")
    assert code == 0, errors
    found, _ = read(tmp_path / "s.hdf5")
    assert np.isfinite(found["flux"]).all()
    assert np.isnan(found["pix2z_z_median"]).all()
    assert imread(tmp_path / "p.png").std() > 0.05


def test_blank_stamps_have_no_spectrum_and_spoil_no_other(run, images_folder, tmp_path):
    with h5py.File(tmp_path / "odd.h5", "w") as file, h5py.File(images_folder / "sdss32.h5") as raw:
        images = raw["images"][...]
        images[0], images[1, 2], images[5, 2] = np.nan, np.nan, -1.0
        file["images"], file["e_bv"] = images, raw["e_bv"][...]
        file["e_bv"][7] = np.nan
    assert run("sdss32.h5", out="whole.hdf5")[0] == 0
    code, said, errors = run(tmp_path / "odd.h5")
    assert code == 0, errors
    found, whole = read(tmp_path / "s.hdf5")[0], read(tmp_path / "whole.hdf5")[0]
    flags = np.zeros(N, int)
    flags[[0, 1, 3, 5, 7]] = [1 + 8, 1 + 16, 2, 16, 4]
    np.testing.assert_array_equal(found["flags"], flags)
    for name in ("flux", "flux_error", "flux_error95", "pix2z_z_median", "mean_flux_r"):
        missing = np.isnan(found[name]).reshape(N, -1)
        assert missing[0].all()
        assert not missing[1:].any()
    kept = np.setdiff1d(np.arange(N), [0, 1, 5, 7])
    np.testing.assert_allclose(found["flux"][kept], whole["flux"][kept], rtol=1e-4)
    assert found["mean_flux_r"][[1, 5]].tolist() == [1, 1]
    assert "every band is blank: 1, the r flux is unknown: 2" in said


def test_extinction_is_taken_out(run, tmp_path):
    """A(r) = 2.751 E(B-V), so that the r flux rises by that many magnitudes."""
    assert run("sdss32.h5", "--ebv", "0", out="none.hdf5")[0] == 0
    assert run("sdss32.h5", "--ebv", "0.4")[0] == 0
    none, much = read(tmp_path / "none.hdf5")[0], read(tmp_path / "s.hdf5")[0]
    magnitudes = 2.5 * np.log10(much["mean_flux_r"] / none["mean_flux_r"])
    np.testing.assert_allclose(magnitudes, 2.751 * 0.4, rtol=1e-4)
    np.testing.assert_allclose(much["ebv"], 0.4)


def test_some_galaxies_are_drawn_the_same_for_the_same_seed(run, tmp_path):
    for name, seed in (("a.png", "5"), ("b.png", "5"), ("c.png", "6")):
        code, said, errors = run("sdss32.h5", "--plot", str(tmp_path / name), "--seed", seed)
        assert code == 0, errors
        assert said.endswith(f", 9 of them in {tmp_path / name}\n")
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b
    assert a != c


def test_lines_are_drawn_at_the_redshift_of_the_file_where_it_has_one(
    run, images_folder, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        "pix2z.catalogue.spectra.plot_spectra",
        lambda shown, **_: drawn.extend(shown),
    )
    with (
        h5py.File(tmp_path / "some.h5", "w") as file,
        h5py.File(images_folder / "sdss32.h5") as raw,
    ):
        file["images"], file["e_bv"] = raw["images"][:2], raw["e_bv"][:2]
        file["specz_redshift"] = np.array([0.123, np.nan], np.float32)
    code, _, errors = run(tmp_path / "some.h5", "--plot", str(tmp_path / "p.png"))
    assert code == 0, errors
    found, _ = read(tmp_path / "s.hdf5")
    expected = [0.123, found["pix2z_z_median"][1]]
    assert [one.z for one in drawn] == pytest.approx(expected, abs=1e-6)


def test_nothing_is_drawn_of_nothing(run, tmp_path):
    with h5py.File(tmp_path / "blank.h5", "w") as file:
        file["images"] = np.full((2, 5, 32, 32), np.nan, np.float32)
    code, said, errors = run(tmp_path / "blank.h5", "--no-check", "--plot", str(tmp_path / "p.png"))
    assert code == 0, errors
    assert said.endswith("; no figure, since no galaxy has a spectrum\n")
    assert not (tmp_path / "p.png").exists()


def test_a_figure_that_cannot_be_written_leaves_whole_spectra(run, images_folder, tmp_path):
    plot = images_folder / "sdss32.h5/p.png"  # below a file
    code, said, errors = run("sdss32.h5", "--plot", str(plot))
    assert (code, said) == (2, "")
    assert errors.startswith(f"error: {plot}: cannot be written (")
    assert errors.count("\n") == 1
    assert read(tmp_path / "s.hdf5")[0]["flux"].shape == (N, 200)


def test_a_model_of_other_settings_is_one_line(run, images_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(images_folder / "spectrum/models/full", other)
    description = read_json(other / "spectrum.json")
    del description["settings"]["n_templates"]
    description["digest"] = seal(description)
    write_json(other / "spectrum.json", description)
    code, _, errors = run("sdss32.h5", model=str(other))
    expected = f"error: {other}/spectrum.json: settings.n_templates: field required\n"
    assert (code, errors) == (2, expected)


@pytest.mark.parametrize("limit", [500, 20_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(run, tmp_path, limit):
    """A limit on the size of files stands in for it; Python turns the signal into an OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        code, said, errors = run("sdss32.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (code, said) == (2, "")
    assert "s.hdf5: cannot be written (" in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
