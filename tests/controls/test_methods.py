import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

from pix2z.config.controls import ControlsConfig, SoftmaxMlp
from pix2z.controls.methods import Sample, fit_knn, fit_softmax, fit_trees
from pix2z.redshift_pdf.density import cdf_at, median
from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(0.0, 0.4, 80)


def galaxies(n, seed):
    """Six features, of which the first two tell the redshift up to a scatter of 0.01."""
    rng = np.random.default_rng(seed)
    z_spec = np.clip(rng.normal(0.15, 0.05, n), 0.01, 0.39)
    features = rng.normal(size=(n, 6))
    features[:, 0] = 20 * z_spec + rng.normal(0, 0.2, n)
    features[:, 1] = 10 * np.sqrt(z_spec) + rng.normal(0, 0.2, n)
    return Sample(features, z_spec)


TRAIN, VALIDATION, CALIBRATION, TEST = (
    galaxies(n, seed) for seed, n in enumerate((1200, 300, 300, 400))
)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


FITS = {"knn": fit_knn, "trees": fit_trees}


def fit(name, **changes):
    """Fit one of the methods; `changes` are of its settings, or another validation sample."""
    validation = changes.pop("validation", VALIDATION)
    parts = {"train": TRAIN, "validation": validation, "calibration": CALIBRATION}
    if name == "softmax":
        return fit_softmax(parts, SoftmaxMlp(seeds=(1,), epochs=15), GRID)
    given = {"n_neighbours": (5, 20, 200), "tree_iterations": 60, "parameters": None} | changes
    return FITS[name](parts, ControlsConfig(n_phot_bins=4, seed=1, **given), GRID)


@pytest.mark.parametrize("name", [*FITS, "softmax"])
def test_every_method_is_good_calibrated_and_repeatable(name):
    method = fit(name)
    density, z_phot = method.estimate(TEST.features)
    np.testing.assert_allclose(density.sum(axis=1) * GRID.width, 1.0)
    assert density.min() >= 0
    error = np.mean(np.abs(z_phot - TEST.z_spec))
    trivial = np.mean(np.abs(np.median(TRAIN.z_spec) - TEST.z_spec))
    assert error < 0.35 * trivial
    assert method.validation_mae == pytest.approx(error, rel=0.25)
    pit = cdf_at(density, GRID, TEST.z_spec)
    assert 0.60 < np.mean((pit > 0.16) & (pit < 0.84)) < 0.92
    again, z_again = fit(name).estimate(TEST.features)
    np.testing.assert_array_equal(again, density)
    np.testing.assert_array_equal(z_again, z_phot)


@pytest.mark.parametrize("name", [*FITS, "softmax"])
def test_each_galaxy_is_estimated_alone_whatever_is_unknown(name):
    method, features = fit(name), TEST.features[:50].copy()
    features[0], features[1, 2] = np.nan, np.nan
    density, z_phot = method.estimate(features)
    assert np.isfinite(density).all()
    density_rest, z_rest = method.estimate(features[10:20])
    np.testing.assert_allclose(density_rest, density[10:20], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(z_rest, z_phot[10:20], rtol=1e-6)


def test_knn_chooses_the_number_of_neighbours_that_validation_galaxies_favour():
    errors = {k: fit("knn", n_neighbours=(k,)).validation_mae for k in (5, 20, 200)}
    method = fit("knn")
    assert method.chosen == {"n_neighbours": min(errors, key=errors.get)}
    assert method.validation_mae == min(errors.values())


def test_knn_finds_the_neighbours_that_scikit_learn_finds():
    method = fit("knn", n_neighbours=(20,))
    density, z_phot = method.estimate(TEST.features)
    scale = TRAIN.features[:, :5].std(axis=0)
    oracle = KNeighborsRegressor(20).fit(TRAIN.features[:, :5] / scale, TRAIN.z_spec)
    expected = oracle.predict(TEST.features[:, :5] / scale)
    found = (density * GRID.centres).sum(axis=1) * GRID.width
    on_grid = (expected > 0.1) & (expected < 0.3)  # kernels that the grid does not cut
    assert on_grid.sum() > 200
    np.testing.assert_allclose(found[on_grid], expected[on_grid], atol=5e-4)
    np.testing.assert_array_equal(z_phot, median(density, GRID))


def test_trees_stop_where_validation_galaxies_say():
    contrary = Sample(VALIDATION.features, np.full(300, TRAIN.z_spec.mean()))
    assert fit("trees", validation=contrary).chosen == {"rounds": 1}
    assert fit("trees").chosen["rounds"] > 10
