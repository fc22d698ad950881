import dataclasses

import pytest

from pix2z.errors import InputError
from pix2z.evaluation.arm_files import read_arm_predictions, read_controls, read_histories
from pix2z.redshift_pdf.qp_files import write_predictions


@pytest.fixture(scope="module")
def folder(workspace, tmp_path_factory):
    root = tmp_path_factory.mktemp("files") / "work"
    workspace(root, n=12, arms=("full", "seed_full"), controls=("knn", "trainz"))
    return root


def test_an_arm_is_read_with_its_seeds_and_cost(folder):
    arm = read_arm_predictions("full", predictions=folder / "predictions", models=folder / "models")
    assert len(arm.pool) == 12
    assert list(arm.seeds) == [1, 2]
    assert (arm.n_train, arm.cpu_seconds) == (60, 48.0)  # 24 s for each of two seeds


def test_an_arm_without_histories_has_no_cost(folder):
    arm = read_arm_predictions("full", predictions=folder / "predictions", models=folder / "none")
    assert (arm.n_train, arm.cpu_seconds) == (None, None)


def test_histories_are_found_by_seed(folder):
    assert list(read_histories("full", models=folder / "models")) == [1, 2]
    assert read_histories("absent", models=folder / "models") == {}


def test_controls_come_from_the_least_informed_on(folder):
    found = read_controls(
        predictions=folder / "predictions", report=folder / "reports/controls.json"
    )
    assert list(found) == ["trainz", "knn"]
    assert (found["knn"].n_train, found["knn"].cpu_seconds) == (12, 0.5)
    assert read_controls(predictions=folder / "nowhere") == {}


def test_a_missing_pool_is_named(folder):
    with pytest.raises(InputError, match=r"absent/pool\.hdf5: no such file"):
        read_arm_predictions("absent", predictions=folder / "predictions")


def test_estimates_that_are_not_finite_are_refused(folder, predictions):
    sample = predictions(6)
    z_phot = sample.z_phot.copy()
    z_phot[2] = float("nan")
    path = folder / "predictions/broken/pool.hdf5"
    write_predictions(path, dataclasses.replace(sample, z_phot=z_phot))
    with pytest.raises(InputError, match=r"pool\.hdf5: z_phot must be finite; .* 1 galaxies"):
        read_arm_predictions("broken", predictions=folder / "predictions", models=folder / "models")


def test_a_seed_without_a_number_is_refused(folder, predictions):
    write_predictions(folder / "predictions/odd/seed-x.hdf5", predictions(3))
    with pytest.raises(InputError, match="expected seed-<number>"):
        read_arm_predictions("odd", predictions=folder / "predictions")
