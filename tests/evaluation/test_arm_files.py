import dataclasses

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.evaluation import arm_files
from pix2z.evaluation.arm_files import read_controls
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import subset_values
from pix2z.redshift_pdf.predictions import select
from tests.prediction_files import read_predictions, write_predictions

WINDOW = (-0.006, 0.224)


def read_arm(name, **kwargs):
    return arm_files.read_arm(name, clip_window=WINDOW, **kwargs)


@pytest.fixture(scope="module")
def folder(workspace, tmp_path_factory):
    root = tmp_path_factory.mktemp("files") / "work"
    workspace(root, n=12, arms=("full", "published_full"), controls=("knn", "trainz"))
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
    assert (arm.n_train, arm.cpu_seconds) == (60, 48.0)  # 24 s for each of two seeds


def test_controls_come_from_the_least_informed_on(folder):
    found = read_controls(
        predictions=folder / "predictions", report=folder / "reports/controls.json"
    )
    assert list(found) == ["trainz", "knn"]
    assert (found["knn"].n_train, found["knn"].cpu_seconds) == (12, 0.5)
    assert read_controls(predictions=folder / "nowhere") == {}


def test_estimates_that_are_not_finite_are_refused(folder, predictions):
    sample = predictions(6)
    z_phot = sample.z_phot.copy()
    z_phot[2] = float("nan")
    path = folder / "predictions/broken/pool.hdf5"
    write_predictions(path, dataclasses.replace(sample, z_phot=z_phot))
    with pytest.raises(InputError, match=r"pool\.hdf5: z_phot must be finite; .* 1 galaxies"):
        read_arm("broken", predictions=folder / "predictions", models=folder / "models")


def test_a_seed_without_a_number_is_refused(folder, predictions):
    write_predictions(folder / "predictions/odd/seed-x.hdf5", predictions(3))
    with pytest.raises(InputError, match="expected seed-<number>"):
        read_arm("odd", predictions=folder / "predictions")


def test_a_seed_with_other_galaxies_than_the_pool_is_refused(folder, predictions):
    write_predictions(folder / "predictions/mixed/pool.hdf5", predictions(6))
    shuffled = select(predictions(6), np.arange(6)[::-1])
    write_predictions(folder / "predictions/mixed/seed-1.hdf5", shuffled)
    with pytest.raises(InputError, match=r"seed-1\.hdf5: expected the galaxies of pool\.hdf5"):
        read_arm("mixed", predictions=folder / "predictions")


def test_a_change_is_made_to_every_chunk_of_pool_and_seeds(folder, monkeypatch):
    seen = []

    def change(chunk):
        seen.append(len(chunk))
        return dataclasses.replace(chunk, z_phot=chunk.z_spec)

    chunks = arm_files.read_prediction_chunks
    monkeypatch.setattr(
        arm_files, "read_prediction_chunks", lambda path: chunks(path, chunk_rows=5)
    )
    arm = read_arm("full", predictions=folder / "predictions", change=change)
    assert seen == [5, 5, 2] * 3
    assert arm.seeds[1]["whole"]["mae"] == arm.seeds[2]["whole"]["mae"] == 0.0
    np.testing.assert_array_equal(arm.pool.z_phot, arm.pool.z_spec)
