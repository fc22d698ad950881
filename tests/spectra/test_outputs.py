"""The assessment of two spectrum arms on made-up reconstructions, from files to files."""

import dataclasses
import json
import shutil

import h5py
import numpy as np
import pytest

from pix2z.config.spectrum import (
    BoostingConfig,
    SpectrumArm,
    SpectrumConfig,
    TemplateSearchConfig,
    WavelengthRange,
)
from pix2z.dataset.photometry import aperture_photometry
from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.splits import write_split
from pix2z.spectra.outputs import AssessmentInputs, write_assessment
from tests.evaluation.conftest import GRID, make_predictions
from tests.prediction_files import write_predictions
from tests.spectra.galaxies import shape, templates

WAVELENGTHS = WavelengthRange(low=3800.0, high=9200.0, n=512)
SETTINGS = SpectrumConfig.model_construct(
    wavelength=WAVELENGTHS,
    templates=TemplateSearchConfig(n_templates=3, degree=1, n_pixels=256),
    boosting=BoostingConfig(
        max_depth=3,
        learning_rate=0.3,
        subsample=1.0,
        colsample=1.0,
        most_rounds=40,
        patience=5,
        n_pixels=64,
        seed=1,
    ),
)
ARMS = {
    "full": SpectrumArm(selection="full", decoder="physics", seed=1),
    "plain": SpectrumArm(selection="full", decoder="plain", seed=1),
}
NOISE = {"full": 0.02, "plain": 0.06}


def spectra_at(z):
    """Relative fluxes (n, L) of old stars with gas at redshifts z."""
    rest = WAVELENGTHS.grid.values / (1 + z[:, None])
    flux = shape(rest, 0) + 0.3 * shape(rest, 2)
    return (flux / flux.mean(axis=1, keepdims=True)).astype(np.float32)


def write_reconstruction(path, arm, rows, z, targets):
    noise = np.random.default_rng(len(arm)).normal(0, NOISE[arm], (len(rows), WAVELENGTHS.n))
    scale = np.linspace(1.0, 3.0, len(rows), dtype=np.float32)
    with h5py.File(path, "w") as file:
        file.attrs.update(model_digest=arm * 3, unit="erg")
        file["row"], file["mean_flux_r"] = rows, scale
        file["wavelength"] = WAVELENGTHS.grid.values
        file["flux"] = ((targets + noise) * scale[:, None]).astype(np.float32)
        for name, width in (("flux_error", 1.0), ("flux_error95", 1.96)):
            file[name] = np.full(targets.shape, width * NOISE[arm], np.float32) * scale[:, None]
        file["pix2z_z_median"] = z + 0.004 if arm == "full" else np.full(len(z), np.nan)
        file["basis/wavelength"], file["basis/flux"] = templates().wavelength, templates().flux


@pytest.fixture(scope="module")
def report(sample_path, sample_split, tmp_path_factory):
    """Write every file that an assessment reads, assess, and change into its folder."""
    from pix2z.dataset.store import open_galaxies

    root = tmp_path_factory.mktemp("assessment")
    for folder in ("data", "predictions/full", "spectrum/reconstructed"):
        (root / folder).mkdir(parents=True)
    shutil.copy(sample_path, root / "data/galaxies.h5")
    write_split(root / "data/splits/full.h5", sample_split, seed=1, n_galaxies=800)
    with pytest.MonkeyPatch.context() as patch, open_galaxies(sample_path) as galaxies:
        patch.chdir(root)
        z_spec = galaxies.column("specz_redshift").astype(np.float64)
        targets = spectra_at(z_spec)
        with h5py.File("data/spectra.h5", "w") as file:
            file.attrs.update(schema_version=1, low=3800.0, high=9200.0, kind="parent")
            file["flux"] = targets
        rows = np.concatenate([sample_split.calibration, sample_split.test])
        for arm in ARMS:
            path = f"spectrum/reconstructed/{arm}.hdf5"
            write_reconstruction(path, arm, rows, z_spec[rows], targets[rows])
            models = root / "spectrum/models" / arm
            models.mkdir(parents=True)
            (models / "history.json").write_text('{"n_train": 500, "cpu_seconds": 9.0}')
            with h5py.File(models / "unseen.h5", "w") as file:
                for part in ("train", "validation"):
                    seen = getattr(sample_split, part)
                    pixels = targets[seen].reshape(len(seen), 64, -1).mean(axis=2)
                    file[f"{part}/flux"], file[f"{part}/rows"] = pixels, seen
        write_direct(galaxies, sample_split.test)
        with open_spectra("data/spectra.h5") as spectra:
            given = AssessmentInputs(galaxies, spectra, SETTINGS, GRID, n_bootstrap=100, seed=1)
            write_assessment(given, ARMS, spectrum=root / "spectrum", reports=root / "reports")
    return root / "reports"


def write_direct(galaxies, rows):
    z_spec = galaxies.column("specz_redshift", rows).astype(np.float64)
    made = make_predictions(len(rows), sigma=0.01, z_spec=z_spec, row=rows)
    ids = {name: galaxies.column(name, rows) for name in ("object_id", "group_id")}
    write_predictions("predictions/full/pool.hdf5", dataclasses.replace(made, **ids))


@pytest.fixture(scope="module")
def numbers(report):
    return json.loads((report / "spectrum.json").read_text())


def test_spectra_are_judged_beside_the_mean_spectrum(numbers):
    assert list(numbers) == ["targets", "test", "wavelength", "arms", "contrasts", "redshifts"]
    assert numbers["test"] == {"n": 100, "n_inside": numbers["test"]["n_inside"]}
    assert numbers["wavelength"] == {"low": 3800.0, "high": 9200.0, "n": 512}
    full, plain, mean = (numbers["arms"][name] for name in ("full", "plain", "mean_spectrum"))
    assert full["mse"]["value"] == pytest.approx(0.02**2, rel=0.05)
    assert full["coverage_68"] == pytest.approx(0.683, abs=0.02)
    assert full["mse"]["high"] < plain["mse"]["low"] < plain["mse"]["high"] < mean["mse"]["low"]
    assert (full["decoder"], full["n_train"], full["model_digest"]) == ("physics", 500, "full" * 3)
    assert (mean["n_train"], mean["model_digest"]) == (None, None)
    pairs = {(entry["a"], entry["b"]) for entry in numbers["contrasts"]}
    assert pairs == {("full", "plain"), ("full", "mean_spectrum"), ("plain", "mean_spectrum")}


def test_every_way_to_a_redshift_is_set_against_the_direct_network(numbers):
    full, plain = numbers["redshifts"]["full"], numbers["redshifts"]["plain"]
    assert list(full["ways"]) == ["direct", "network", "boosted", "templates"]
    assert list(plain["ways"]) == ["direct", "boosted", "templates"]  # no redshift inside
    mae = {way: subsets["whole"]["mae"]["value"] for way, subsets in full["ways"].items()}
    assert mae["network"] == pytest.approx(0.004, rel=0.05)
    assert mae["templates"] < 0.003
    assert mae["boosted"] < 0.03
    assert mae["direct"] == pytest.approx(0.008, rel=0.3)
    assert all(entry["b"] == "direct" for entry in full["contrasts"])


def test_figures_lie_beside_the_numbers(report):
    names = sorted(path.name for path in (report / "spectrum").iterdir())
    assert names == ["error_by_wavelength.png", "spectra.png", "ways.png"]


def test_colours_of_stamps_are_dereddened_neighbouring_magnitudes(sample, numbers):
    from pix2z.spectra.reconstructed import measured_colours

    rows = np.array([3, 700, 41])
    flux = aperture_photometry(sample.images(rows))[0][:, -1]
    magnitudes = 22.5 - 2.5 * np.log10(flux)
    extinction = sample.column("ebv", rows)[:, None] * np.array([3.793, 2.751, 2.086])
    expected = -np.diff(magnitudes[:, 1:4] - extinction, axis=1)
    np.testing.assert_allclose(measured_colours(sample, rows, bands="gri"), expected, atol=1e-4)
    assert list(numbers["arms"]["full"]["colours"]) == ["g-r", "r-i"]
