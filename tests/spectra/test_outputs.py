"""The assessment of two spectrum arms on made-up reconstructions, from files to files."""

import dataclasses
import json
import shutil

import h5py
import numpy as np
import pytest

from pix2z.catalogue.spectrum_redshifts import fit_file
from pix2z.config.spectrum import BoostingConfig, SpectrumArm, SpectrumConfig, WavelengthRange
from pix2z.dataset.photometry import aperture_photometry
from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.splits import write_split
from pix2z.dataset.store import open_galaxies
from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.outputs import AssessmentInputs, write_assessment
from pix2z.spectra.reconstructed import bands_at_lines, measured_colours
from pix2z.spectra.search import Search
from pix2z.spectra.spectrum_files import spectrum_writer
from pix2z.wavelengths.lines import BLENDS, LINES, line_pixels
from tests.evaluation.conftest import GRID, make_predictions
from tests.prediction_files import write_predictions
from tests.spectra.galaxies import shape, templates

WAVELENGTHS = WavelengthRange(low=3800.0, high=9200.0, n=512)
SETTINGS = SpectrumConfig.model_construct(
    wavelength=WAVELENGTHS,
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
SEARCH = Search(GRID.z_min, GRID.z_max, degree=1, n_templates=3, n_pixels=256)


def spectra_at(z):
    """Relative fluxes (n, L) of old stars with gas at redshifts z."""
    rest = WAVELENGTHS.grid.values / (1 + z[:, None])
    flux = shape(rest, 0) + 0.3 * shape(rest, 2)
    return (flux / flux.mean(axis=1, keepdims=True)).astype(np.float32)


def write_reconstruction(path, arm, rows, z, targets):
    noise = np.random.default_rng(len(arm)).normal(0, NOISE[arm], (len(rows), WAVELENGTHS.n))
    scale = np.linspace(1.0, 3.0, len(rows), dtype=np.float32)
    physical = {
        name: (values * scale[:, None]).astype(np.float32)
        for name, values in (
            ("flux", targets + noise),
            ("flux_error", np.full(targets.shape, NOISE[arm])),
            ("flux_error95", np.full(targets.shape, 1.96 * NOISE[arm])),
            ("line_error", np.full((len(z), 5), NOISE[arm] if arm == "full" else np.nan)),
            ("line_error95", np.full((len(z), 5), 1.96 * NOISE[arm] if arm == "full" else np.nan)),
        )
    }
    columns = {
        "row": rows,
        "mean_flux_r": scale,
        "pix2z_z_err99_low": z - 0.02,
        "pix2z_z_err99_high": z + 0.02,
        "pix2z_z_median": z + 0.004 if arm == "full" else np.full(len(z), np.nan),
    }
    with spectrum_writer(
        path,
        WAVELENGTHS.grid.values,
        n=len(rows),
        unit="erg",
        spectra=("flux_error95",),
        tables={"line_error": 5, "line_error95": 5},
        columns={name: values.dtype for name, values in columns.items()},
        basis=templates(),
        search=SEARCH,
        attributes={"model_digest": arm * 3},
    ) as writer:
        writer.append(**physical, **columns)


@pytest.fixture(scope="module")
def report(sample_path, sample_split, tmp_path_factory):
    """Write every file that an assessment reads, assess, and change into its folder."""
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
            given = AssessmentInputs(
                galaxies, spectra, SETTINGS, GRID, margin=0.02, n_bootstrap=100, seed=1
            )
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


def test_spectra_are_judged_beside_the_mean_spectrum(report, numbers):
    figures = sorted(path.name for path in (report / "spectrum").iterdir())
    assert figures == ["error_by_wavelength.png", "spectra.png", "ways.png"]
    assert list(numbers) == [
        *("targets", "test", "wavelength", "arms", "margin", "contrasts", "redshifts")
    ]
    assert numbers["test"] == {"n": 100, "n_inside": numbers["test"]["n_inside"]}
    assert numbers["wavelength"] == {"low": 3800.0, "high": 9200.0, "n": 512}
    full, plain, mean = (numbers["arms"][name] for name in ("full", "plain", "mean_spectrum"))
    assert full["mse"]["value"] == pytest.approx(0.02**2, rel=0.05)
    assert full["coverage_68"]["value"] == pytest.approx(0.683, abs=0.02)
    shares = (full["coverage_68"], full["coverage_95"], full["h_alpha"]["found"])
    colours = (sides["against_target"]["nmad"] for sides in full["colours"].values())
    for entry in (*shares, *colours):
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert full["coverage_68"]["low"] < full["coverage_68"]["high"]
    assert full["mse"]["high"] < plain["mse"]["low"] < plain["mse"]["high"] < mean["mse"]["low"]
    for entry in (full["bands"]["continuum"], *full["bands"]["lines"].values()):
        assert entry["coverage_95"]["value"] == pytest.approx(0.95, abs=0.06)
        assert entry["half_width_95"] == pytest.approx(1.96 * 0.02, rel=1e-3)
    for entry in plain["bands"]["lines"].values():  # its bands know of no lines
        assert entry["coverage_95"]["value"] is None
        assert entry["half_width_95"] is None
        assert entry["in_continuum_95"]["value"] == pytest.approx(0.95, abs=0.06)
    assert (full["decoder"], full["n_train"], full["model_digest"]) == ("physics", 500, "full" * 3)
    assert (mean["n_train"], mean["model_digest"]) == (None, None)
    pairs = {(entry["a"], entry["b"]) for entry in numbers["contrasts"]}
    others = ("plain", "kcorrect", "colour_means", "mean_spectrum")
    assert pairs == {("plain", "mean_spectrum"), *(("full", other) for other in others)}
    of_colour, of_all = (numbers["arms"][n]["mse"] for n in ("colour_means", "mean_spectrum"))
    assert of_colour["high"] < of_all["low"]  # colours of these galaxies tell their redshift
    for name in ("kcorrect", "kcorrect_at_true_z", "colour_means"):  # spectra without a band
        entry = numbers["arms"][name]
        assert full["mse"]["high"] < entry["mse"]["low"]
        assert entry["coverage_95"]["value"] is entry["bands"]["continuum"]["half_width_95"] is None
    first, mean = (numbers["contrasts"][place] for place in (0, -1))
    assert first["margin"] == pytest.approx(0.02 * full["mse"]["value"])
    assert first["outcome"] == "better"
    assert first["single_seed"] == ["full", "plain"]
    assert mean["single_seed"] == ["plain"]  # a mean has no seeds


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
    assert full["best_over_spectrum"] == "templates"
    assert list(full["calibration_mae"]) == ["network", "boosted", "templates"]
    assert full["calibration_mae"]["network"] == pytest.approx(0.004, rel=0.05)


@pytest.mark.parametrize("arm", ARMS)
def test_the_command_reads_the_redshifts_that_the_report_scores(report, numbers, arm):
    with h5py.File(report.parent / "data/galaxies.h5") as file:
        z_spec = file["specz_redshift"][...]
    path = report.parent / f"spectrum/reconstructed/{arm}.hdf5"
    with h5py.File(path) as file:
        z_spec = z_spec[file["row"][-100:]]
    found, _ = fit_file(path, z_min=None, z_max=None, coarse=1, own_basis=True)
    z, doubtful = found.z[-100:], found.flags[-100:] == FitFlag.DOUBTFUL
    scored = numbers["redshifts"][arm]
    assert np.abs(z - z_spec).mean() == pytest.approx(
        scored["ways"]["templates"]["whole"]["mae"]["value"], rel=1e-6
    )
    assert doubtful.mean() == scored["templates_flagged"]["doubtful"]
    assert ((z >= GRID.z_min) & (z <= GRID.z_max)).all()


def test_a_line_outside_the_interval_that_is_looked_in_has_the_band_of_the_continuum():
    wavelength, z = WAVELENGTHS.grid.values, np.array([0.1, 0.1])
    line = np.full((2, len(BLENDS)), 0.8, np.float32)
    half = np.full((2, len(wavelength)), 0.07, np.float32)
    half[1, line_pixels(wavelength, z, LINES["H beta"])[1]] = 0.09
    found = bands_at_lines(line, half, wavelength, z, np.array([False, True]))
    np.testing.assert_array_equal(found[0], line[0])
    expected = [0.09 if name == "H beta" else 0.07 for name in BLENDS]
    np.testing.assert_allclose(found[1], expected, rtol=1e-6)


def test_colours_of_stamps_are_dereddened_neighbouring_magnitudes(sample, numbers):
    rows = np.array([3, 700, 41])
    flux = aperture_photometry(sample.images(rows))[0][:, -1]
    magnitudes = 22.5 - 2.5 * np.log10(flux)
    extinction = sample.column("ebv", rows)[:, None] * np.array([3.793, 2.751, 2.086])
    expected = -np.diff(magnitudes[:, 1:4] - extinction, axis=1)
    np.testing.assert_allclose(measured_colours(sample, rows, bands="gri"), expected, atol=1e-4)
    assert list(numbers["arms"]["full"]["colours"]) == ["g-r", "r-i"]
