import dataclasses

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.evaluation import arm_files
from pix2z.evaluation.arm_files import read_controls, told_window
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import subset_values
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import select
from tests.evaluation.conftest import WINDOW, make_predictions, make_workspace
from tests.prediction_files import read_predictions, write_predictions


def read_arm(name, **kwargs):
    return arm_files.read_arm(name, clip_window=WINDOW, **kwargs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    make_workspace(root, n=12, arms=("full",), controls=("knn", "trainz"))
    return root


def test_an_arm_is_read_with_its_seeds_and_cost(folder):
    arm = read_arm("full", predictions=folder / "predictions", models=folder / "models")
    assert len(arm.pool) == 12
    assert list(arm.seeds) == [1, 2]
    seed = read_predictions(folder / "predictions/full/seed-2.hdf5")
    expected = subset_values(galaxy_terms([seed]), WINDOW)
    assert list(arm.seeds[2]) == list(expected) == ["whole", "inside", "outside"]
    for subset, values in expected.items():
        assert arm.seeds[2][subset] == pytest.approx(values, nan_ok=True)
    for metric in ("crps", "mae"):
        of_seeds = [of_seed["whole"][metric] for of_seed in arm.seeds.values()]
        assert arm.of_networks[metric].mean() == pytest.approx(np.mean(of_seeds))
    assert (arm.n_train, arm.cpu_seconds) == (60, 48.0)  # 24 s for each of two seeds


def test_controls_come_from_the_least_informed_on(folder):
    found = read_controls(folder=folder / "controls", report=folder / "reports/controls.json")
    assert list(found) == ["trainz", "knn"]
    assert (found["knn"].n_train, found["knn"].cpu_seconds) == (12, 0.5)
    assert read_controls(folder=folder / "nowhere") == {}


def not_finite(predictions):
    z_phot = np.where(np.arange(len(predictions)) == 2, np.nan, predictions.z_phot)
    return dataclasses.replace(predictions, z_phot=z_phot)


def reversed_order(predictions):
    return select(predictions, np.arange(len(predictions))[::-1])


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("pool", not_finite, r"pool\.hdf5: z_phot must be finite; it is not for 1 galaxies"),
        ("seed-x", lambda whole: whole, r"seed-x\.hdf5: expected seed-<number>"),
        ("seed-1", reversed_order, r"seed-1\.hdf5: expected the galaxies of pool\.hdf5"),
    ],
)
def test_files_that_are_not_as_they_should_be_are_named(tmp_path, name, change, said):
    write_predictions(tmp_path / "odd/pool.hdf5", make_predictions(6))
    write_predictions(tmp_path / f"odd/{name}.hdf5", change(make_predictions(6)))
    with pytest.raises(InputError, match=said):
        read_arm("odd", predictions=tmp_path)


def test_pool_and_seeds_are_told_the_window_chunk_by_chunk(folder, monkeypatch):
    chunks = arm_files.read_prediction_chunks
    monkeypatch.setattr(
        arm_files, "read_prediction_chunks", lambda path: chunks(path, chunk_rows=5)
    )
    arm = read_arm("full", predictions=folder / "predictions", told=True)
    for name, found in (("pool", arm.pool.crps), ("seed-2", arm.seeds[2]["whole"]["crps"])):
        whole = read_predictions(folder / f"predictions/full/{name}.hdf5")
        expected = galaxy_terms([told_window(whole, WINDOW)]).crps
        assert np.mean(found) == pytest.approx(expected.mean())


@pytest.mark.parametrize(
    ("density", "window", "expected", "z_phot"),
    [
        # Ratios inside are kept; a third of the second bin reaches half of the probability.
        ([1, 3, 4, 2], (0.0, 0.2), [2.5, 7.5, 0, 0], 0.1 + 0.1 / 3),
        # A bin that the window cuts keeps its share.
        ([2.5, 2.5, 2.5, 2.5], (-0.1, 0.15), [10 / 1.5, 5 / 1.5, 0, 0], 0.075),
        # Without probability inside, the PDF becomes flat there.
        ([0, 0, 0, 10], (0.0, 0.2), [5, 5, 0, 0], 0.1),
        # A window around everything changes nothing.
        ([1, 3, 4, 2], (-1.0, 1.0), [1, 3, 4, 2], 0.225),
    ],
)
def test_nothing_is_left_outside_and_shares_inside_are_kept(density, window, expected, z_phot):
    grid = RedshiftGrid(0.0, 0.4, 4)
    one = dataclasses.replace(make_predictions(1), grid=grid, density=np.array([density]))
    told = told_window(one, window)
    np.testing.assert_allclose(told.density, [expected], rtol=1e-6)
    np.testing.assert_allclose(told.z_phot, z_phot)
