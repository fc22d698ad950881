from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pix2z.config.controls import ControlsConfig, SoftmaxMlp
from pix2z.controls import suite
from pix2z.controls.features import measured_features
from pix2z.controls.suite import measured_controls, parameter_controls, write_control
from pix2z.dataset.splits import write_split
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.stages import controls as stage
from tests.controls.test_parameters import truth
from tests.prediction_files import read_predictions

ROOT = Path(__file__).parents[2]
GRID = RedshiftGrid(0.0, 0.4, 60)
CONFIG = ControlsConfig(
    n_neighbours=(5, 10),
    tree_iterations=30,
    n_phot_bins=3,
    seed=1,
    parameters=SoftmaxMlp(seeds=(1,), epochs=60),
)


@pytest.fixture
def fit(sample, sample_split):
    """Fit trainZ, kNN and trees: `fit(z_spec=..., moved=...)`, by default those of the sample."""
    features = measured_features(sample, np.arange(len(sample)))

    def fitted(**changes):
        given = {"z_spec": sample.column("specz_redshift"), "moved": sample.column("moved")}
        given |= changes
        return measured_controls(
            features, **given, parts=sample_split.parts(), config=CONFIG, grid=GRID
        )

    return fitted


@pytest.fixture
def controls(fit):
    return fit()


def estimates(control):
    return control.estimate(control.features)


def mae(control, z_test):
    return np.mean(np.abs(estimates(control)[1] - z_test))


def test_controls_learn_from_photometry_and_trainz_does_not(controls, sample, sample_split):
    assert [control.name for control in controls] == ["trainz", "knn", "trees"]
    trainz, knn, trees = controls
    z_test = sample.column("specz_redshift", sample_split.test)
    assert mae(knn, z_test) < 0.3 * mae(trainz, z_test)
    assert mae(trees, z_test) < 0.3 * mae(trainz, z_test)
    assert np.ptp(estimates(trainz)[1]) == 0
    assert set(knn.report) == {"cpu_seconds", "n_train"}  # what the report of the comparison shows


def test_predictions_are_written_in_chunks_and_carry_the_columns_of_the_test_galaxies(
    controls, sample, sample_split, tmp_path, monkeypatch
):
    monkeypatch.setattr(suite, "CHUNK_ROWS", 30)
    sizes = []

    def counted(features):
        sizes.append(len(features))
        return controls[2].estimate(features)

    rows, control = sample_split.test, replace(controls[2], estimate=counted)
    report = write_control(tmp_path, control, sample, rows, GRID)
    assert sizes == [30, 30, 30, 10]
    assert report["cpu_seconds"] >= control.report["cpu_seconds"] >= 0
    assert report["n_train"] == 500
    predictions = read_predictions(tmp_path / "trees.hdf5")
    density, z_phot = estimates(controls[2])
    np.testing.assert_allclose(predictions.density, density, rtol=3e-7, atol=1e-30)
    np.testing.assert_array_equal(predictions.z_phot, z_phot)
    np.testing.assert_array_equal(predictions.row, rows)
    np.testing.assert_array_equal(predictions.object_id, sample.column("object_id")[rows])
    np.testing.assert_array_equal(predictions.group_id, sample.column("group_id")[rows])
    np.testing.assert_array_equal(predictions.z_spec, sample.column("specz_redshift")[rows])


def test_no_choice_looks_at_test_galaxies(fit, controls, sample, sample_split):
    changed = sample.column("specz_redshift").copy()
    changed[sample_split.test] = 0.01
    for one, other in zip(controls, fit(z_spec=changed), strict=True):
        for mine, others in zip(estimates(one), estimates(other), strict=True):
            np.testing.assert_array_equal(mine, others)


def test_trainz_is_the_redshift_distribution_of_unmoved_training_galaxies(
    fit, sample, sample_split
):
    z_spec, train = sample.column("specz_redshift"), sample_split.train
    moved = np.zeros(len(sample), np.uint8)
    moved[train[::3]] = 1
    trainz, knn, trees = fit(z_spec=np.where(moved == 1, 0.38, z_spec), moved=moved)
    own = z_spec[train][moved[train] == 0]
    counts = np.histogram(own, bins=GRID.edges)[0]
    np.testing.assert_allclose(estimates(trainz)[0][0] * GRID.width * len(own), counts)
    assert trainz.report["n_train"] == len(own) == 333
    assert knn.report["n_train"] == trees.report["n_train"] == 500


def test_parameter_controls_know_less_where_parameters_have_errors(sample_split):
    z_spec = np.random.default_rng(3).uniform(0.05, 0.35, 800)
    # Colours tell the redshift, and errors of fluxes hide much of it.
    per_redshift = np.array([0.0, 8.0, 12.0, 13.0, 13.5])
    errors = np.repeat(np.diag([60.0] * 5 + [0.1] * 3)[None], 800, axis=0)
    flux = 50 * 10 ** (0.4 * z_spec[:, None] * per_redshift)
    parameters = truth(800) | {"flux": flux, "sigma_cholesky": errors}
    parts = sample_split.parts()
    found = parameter_controls(parameters, z_spec, parts, CONFIG, GRID)
    assert [control.name for control in found] == ["parameters", "parameters_noisy"]
    clean, noisy = found
    z_test = z_spec[sample_split.test]
    assert mae(clean, z_test) < 0.7 * mae(noisy, z_test)
    assert parameter_controls({}, z_spec, parts, CONFIG, GRID) == []
    without = CONFIG.model_copy(update={"parameters": None})
    assert parameter_controls(parameters, z_spec, parts, without, GRID) == []


@pytest.mark.parametrize("wanted", [None, {"seeds": [1], "epochs": 1}])
def test_the_raw_file_may_be_large_and_is_read_for_parameters_only(
    sample_path, sample_split, tmp_path, monkeypatch, wanted
):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["controls"] |= {"tree_iterations": 2, "parameters": wanted}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "data/splits").mkdir(parents=True)
    (tmp_path / "data/galaxies.h5").symlink_to(sample_path)
    write_split(tmp_path / "data/splits/full.h5", sample_split, seed=1, n_galaxies=800)
    monkeypatch.chdir(tmp_path)
    read = []
    monkeypatch.setattr(
        stage.parameters, "read_parameters", lambda *path, sha256: read.append(path) or {}
    )
    stage.main()
    assert len(read) == (wanted is not None)
    assert len(read_predictions(tmp_path / "controls/knn.hdf5").row) == 100
