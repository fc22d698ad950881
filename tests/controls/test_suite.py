from dataclasses import replace

import numpy as np
import pytest

from pix2z.controls import suite
from pix2z.controls.features import measured_features
from pix2z.controls.methods import Settings
from pix2z.controls.suite import measured_controls, parameter_controls, write_control
from pix2z.redshift_pdf.grid import RedshiftGrid
from tests.controls.test_parameters import truth
from tests.prediction_files import read_predictions

GRID = RedshiftGrid(0.0, 0.4, 60)
SETTINGS = Settings(
    grid=GRID, n_neighbours=(5, 10), tree_iterations=30, mlp_epochs=5, n_phot_bins=3, seed=1
)


@pytest.fixture
def controls(sample, sample_split):
    features = measured_features(sample, np.arange(len(sample)))
    z_spec = sample.column("specz_redshift")
    moved = sample.column("moved")
    return measured_controls(features, z_spec, moved, sample_split.parts(), SETTINGS)


ALL = slice(None)


def mae(control, z_test):
    return np.mean(np.abs(control.estimate(ALL)[1] - z_test))


def test_controls_learn_from_photometry_and_trainz_does_not(controls, sample, sample_split):
    assert [control.name for control in controls] == ["trainz", "knn", "trees"]
    trainz, knn, trees = controls
    z_test = sample.column("specz_redshift", sample_split.test)
    assert mae(knn, z_test) < 0.3 * mae(trainz, z_test)
    assert mae(trees, z_test) < 0.3 * mae(trainz, z_test)
    assert np.ptp(trainz.estimate(ALL)[1]) == 0
    for control in controls:
        assert control.estimate(ALL)[0].shape == (100, 60)
        assert control.report["n_train"] == 500
        assert control.report["cpu_seconds"] >= 0
    assert knn.report["chosen"]["n_neighbours"] in (5, 10)
    assert 1 <= trees.report["chosen"]["rounds"] <= 30


def counting(control):
    """The control, and the list in which it notes how many galaxies it is asked for at a time."""
    sizes = []

    def estimate(part):
        density, z_phot = control.estimate(part)
        sizes.append(len(z_phot))
        return density, z_phot

    return replace(control, estimate=estimate), sizes


def test_predictions_are_written_in_chunks_and_carry_the_columns_of_the_test_galaxies(
    controls, sample, sample_split, tmp_path, monkeypatch
):
    monkeypatch.setattr(suite, "CHUNK_ROWS", 30)
    rows = sample_split.test
    for control in controls:
        counted, sizes = counting(control)
        report = write_control(tmp_path, counted, sample, rows, GRID)
        assert sizes == [30, 30, 30, 10]
        assert report["cpu_seconds"] >= control.report["cpu_seconds"]
        assert report["n_train"] == 500
        predictions = read_predictions(tmp_path / f"{control.name}.hdf5")
        density, z_phot = control.estimate(ALL)
        np.testing.assert_allclose(predictions.density, density, rtol=3e-7, atol=1e-30)
        np.testing.assert_array_equal(predictions.z_phot, z_phot)
    np.testing.assert_array_equal(predictions.row, rows)
    np.testing.assert_array_equal(predictions.object_id, sample.column("object_id")[rows])
    np.testing.assert_array_equal(predictions.group_id, sample.column("group_id")[rows])
    np.testing.assert_array_equal(predictions.z_spec, sample.column("specz_redshift")[rows])


def test_no_choice_looks_at_test_galaxies(sample, sample_split):
    features = measured_features(sample, np.arange(len(sample)))
    z_spec, parts = sample.column("specz_redshift"), sample_split.parts()
    changed = z_spec.copy()
    changed[parts["test"]] = 0.01
    moved = sample.column("moved")
    before = measured_controls(features, z_spec, moved, parts, SETTINGS)
    after = measured_controls(features, changed, moved, parts, SETTINGS)
    for one, other in zip(before, after, strict=True):
        for mine, others in zip(one.estimate(ALL), other.estimate(ALL), strict=True):
            np.testing.assert_array_equal(mine, others)


def test_trainz_is_the_redshift_distribution_of_unmoved_training_galaxies(sample, sample_split):
    features = measured_features(sample, np.arange(len(sample)))
    z_spec, parts = sample.column("specz_redshift"), sample_split.parts()
    moved = np.zeros(len(sample), np.uint8)
    moved[parts["train"][::3]] = 1
    tilted = np.where(moved == 1, 0.38, z_spec)
    trainz, knn, trees = measured_controls(features, tilted, moved, parts, SETTINGS)
    own = z_spec[parts["train"]][moved[parts["train"]] == 0]
    counts = np.histogram(own, bins=GRID.edges)[0]
    np.testing.assert_allclose(trainz.estimate(ALL)[0][0] * GRID.width * len(own), counts)
    assert trainz.report["n_train"] == len(own) == 333
    assert knn.report["n_train"] == trees.report["n_train"] == 500


def parameters(z_spec):
    """Drawn parameters whose colours tell the redshift, and flux errors that hide much of it."""
    per_redshift = np.array([0.0, 8.0, 12.0, 13.0, 13.5])
    errors = np.diag([10.0] * 5 + [0.1] * 3)
    return truth(len(z_spec)) | {
        "flux": 50 * 10 ** (0.4 * z_spec[:, None] * per_redshift),
        "sigma_cholesky": np.repeat(errors[None], len(z_spec), axis=0),
    }


def test_parameter_controls_take_the_best_method_on_validation_galaxies(sample_split):
    z_spec = np.random.default_rng(3).uniform(0.05, 0.35, 800)
    found = parameter_controls(parameters(z_spec), z_spec, sample_split.parts(), SETTINGS)
    assert [control.name for control in found] == ["parameters", "parameters_noisy"]
    clean, noisy = found
    z_test = z_spec[sample_split.test]
    assert mae(clean, z_test) < 0.7 * mae(noisy, z_test)
    for control in found:
        errors = control.report["validation_mae"]
        assert set(errors) == {"knn", "trees", "mlp"}
        assert control.report["method"] == min(errors, key=errors.get)


def test_without_drawn_parameters_there_is_no_parameter_control(sample_split):
    assert parameter_controls({}, np.zeros(800), sample_split.parts(), SETTINGS) == []
