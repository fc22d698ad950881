"""A tiny pool goes on training on galaxies whose bands are brighter and fainter than it knows."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from pix2z.config.finetune import FinetuneConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import open_galaxies
from pix2z.finetune import training
from pix2z.finetune.training import finetune_pool, recalibrate
from pix2z.network.estimator import Estimator, load_pool
from pix2z.redshift_pdf.calibration import LocalTemperature

OFFSETS = np.array([1.3, 0.85, 1.0, 1.1, 0.9], np.float32)

FEWEST = {"train": 1, "validation": 1, "calibration": 1, "test": 1}

GENTLE = FinetuneConfig(
    learning_rate=0.002, epochs=3, patience=3, batch_size=64, seed=7, fewest_rows=FEWEST
)


def no_curve(seed):
    return lambda epoch, record: None


@pytest.fixture(scope="module")
def base(trained_pool) -> Estimator:
    return load_pool(trained_pool)


@pytest.fixture(scope="module")
def first_alone(base) -> Estimator:
    return replace(base, members=base.members[:1])


@pytest.fixture(scope="module")
def other_path(sample_path, tmp_path_factory) -> Path:
    """The same galaxies under another photometric calibration."""
    path = tmp_path_factory.mktemp("other") / "galaxies.h5"
    path.write_bytes(sample_path.read_bytes())
    with h5py.File(path, "r+") as file:
        file["images"][...] *= OFFSETS
    return path


@pytest.fixture(scope="module")
def other_split() -> Split:
    rows = np.arange(800)
    return Split(
        selection="full",
        train=rows[:400],
        validation=rows[400:520],
        calibration=rows[520:640],
        test=rows[640:],
        clip_window=(0.0, 0.4),
        test_digest="",
    )


def go_on(base, path, split, folder: Path, *, curve=no_curve, **changed) -> Path:
    with open_galaxies(path) as galaxies:
        finetune_pool(
            base,
            galaxies,
            split,
            settings=GENTLE.model_copy(update=changed),
            folder=folder / "models",
            checkpoints=folder / "checkpoints",
            record={"arm": "finetune other", "base_pool_digest": base.digest},
            curve=curve,
        )
    return folder / "models"


@pytest.fixture(scope="module")
def tuned_folder(base, other_path, other_split, tmp_path_factory) -> Path:
    return go_on(base, other_path, other_split, tmp_path_factory.mktemp("tuned"))


def weights(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.glob("*/weights.weights.h5")}


def history(folder: Path, seed: int) -> dict:
    return json.loads((folder / f"seed-{seed}/history.json").read_text())


def test_the_networks_improve_from_where_they_were(base, tuned_folder, other_path, other_split):
    tuned = load_pool(tuned_folder)
    for seed, member, before in zip((1, 2), tuned.members, base.members, strict=True):
        kept = history(tuned_folder, seed)
        assert member.record["seed"] == before.record["seed"] == seed
        assert min(kept["val_loss"]) < kept["base_val_loss"]
        assert kept["val_loss"][0] < kept["base_val_loss"] + 0.1  # it did not start anew
        assert not kept["base_kept"]
    with open_galaxies(other_path) as galaxies:
        images, ebv = (galaxies.images(other_split.test), galaxies.column("ebv", other_split.test))
        z_spec = galaxies.column("specz_redshift", other_split.test)
    errors = [np.abs(pool.estimate(images, ebv).z_phot - z_spec).mean() for pool in (base, tuned)]
    assert errors[1] < 0.8 * errors[0]


def test_a_member_says_what_it_was_made_of_and_standardises_as_its_base_does(base, tuned_folder):
    estimator = json.loads((tuned_folder / "seed-2/estimator.json").read_text())
    assert estimator["record"]["base_pool_digest"] == base.digest
    assert estimator["record"]["n_calibration"] == 120
    assert estimator["settings"]["learning_rate"] == GENTLE.learning_rate
    assert estimator["settings"]["dropout"] == base.members[0].settings["dropout"]
    assert history(tuned_folder, 2)["n_train"] == 400
    kept, known = (
        pool.members[1].model.get_layer("standardise").get_weights()
        for pool in (load_pool(tuned_folder), base)
    )
    np.testing.assert_array_equal(kept, known)


def test_members_see_different_orders_of_stamps_that_are_measured_once(
    base, other_path, other_split, tmp_path, monkeypatch
):
    measured, measure = [], training.measured_galaxies
    monkeypatch.setattr(
        training, "measured_galaxies", lambda *given: measured.append(given) or measure(*given)
    )
    first = base.members[0]
    twins = Estimator(
        tuple(type(first)(**{**vars(first), "record": {"seed": k}}) for k in (1, 2)),
        base.calibration,
        "twins",
    )
    found = weights(go_on(twins, other_path, other_split, tmp_path / "a", epochs=1))
    assert found["seed-1"] != found["seed-2"]
    assert len(measured) == 1


def test_weights_that_no_epoch_improves_are_kept(first_alone, other_path, other_split, tmp_path):
    folder = go_on(first_alone, other_path, other_split, tmp_path, learning_rate=0.5, epochs=1)
    kept = history(folder, 1)
    assert kept["val_loss"][0] > kept["base_val_loss"]
    assert kept["base_kept"]
    (member,), (before,) = load_pool(folder).members, first_alone.members
    for one, other in zip(member.model.get_weights(), before.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with open_galaxies(other_path) as galaxies:
        expected = recalibrate(first_alone, galaxies, other_split).calibration.temperature
    assert load_pool(folder).calibration.temperature == pytest.approx(expected, rel=1e-4)


def test_what_the_test_galaxies_are_like_changes_nothing(
    first_alone, tuned_folder, other_path, other_split, tmp_path, rows_read
):
    path = tmp_path / "galaxies.h5"
    path.write_bytes(other_path.read_bytes())
    with h5py.File(path, "r+") as file:
        file["images"][640:] = np.nan
        file["specz_redshift"][640:] = 0.399
        file["ebv"][640:] = 9.0
    folder = go_on(first_alone, path, other_split, tmp_path)
    assert rows_read == set(range(640))
    assert weights(folder)["seed-1"] == weights(tuned_folder)["seed-1"]
    again, before = (load_pool(at).members[0].calibration for at in (folder, tuned_folder))
    assert again == before


def test_recalibration_keeps_networks_and_widens_what_is_overconfident(
    base, other_path, other_split
):
    with open_galaxies(other_path) as galaxies:
        again = recalibrate(base, galaxies, other_split)
    assert again.members is base.members
    assert isinstance(again.calibration, LocalTemperature)
    assert again.calibration.temperature > base.calibration.temperature
