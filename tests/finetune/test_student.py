"""One network is distilled from a tiny pool, is measured against it, and becomes a candidate."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.student import StudentConfig
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.finetune.base import BasePool
from pix2z.finetune.student import distil, student_record, write_student_report
from pix2z.inference.estimator import load_pool as load_onnx_form
from pix2z.network.distillation import write_soft_targets
from pix2z.network.estimator import load_pool
from pix2z.network.recipes import smooth_targets
from pix2z.saved.sealed import read_pool
from pix2z.stages.student import main, ship
from pix2z.tracking.pools import read_finetuned

ROOT = Path(__file__).parents[2]

SETTINGS = StudentConfig(
    dropout=0.0, truth_share=0.0, learning_rate=0.003, epochs=4, patience=4, batch_size=100, seed=3
)

RECORD = {"arm": "student", "trained_on": "semi-real: made up", "training_key": "key"}


def no_curve(seed):
    return lambda epoch, record: None


@pytest.fixture(scope="module")
def base(trained_pool) -> BasePool:
    return BasePool("full", trained_pool, load_pool(trained_pool))


def taught(base, path: Path, split, folder: Path, **changed) -> Path:
    with open_galaxies(path) as galaxies:
        distil(
            base,
            galaxies,
            split,
            settings=SETTINGS.model_copy(update=changed),
            folder=folder / "student",
            checkpoints=folder / "checkpoints",
            record=RECORD,
            curve=no_curve,
        )
    return folder / "student"


@pytest.fixture(scope="module")
def student(base, sample_path, sample_split, tmp_path_factory) -> Path:
    return taught(base, sample_path, sample_split, tmp_path_factory.mktemp("taught"))


def stamps(path, rows):
    with open_galaxies(path) as galaxies:
        return galaxies.images(rows), galaxies.column("ebv", rows)


def cross_entropy(of_pool, of_student, width: float) -> float:
    return -float((of_pool * width * np.log(np.maximum(of_student * width, 1e-12))).sum(1).mean())


def test_it_comes_nearer_to_the_pool_than_the_network_it_was(
    base, student, sample_path, sample_split
):
    given = stamps(sample_path, sample_split.validation)
    mean = np.mean([member.raw(*given) for member in base.pool.members], axis=0)
    width = base.pool.grid.width
    entropy = cross_entropy(mean, mean, width)
    (name,) = read_pool(student)["members"]
    (own,) = load_pool(student).members
    (was,) = (m for m in base.pool.members if m.record["seed"] == own.record["seed"])
    networks = (own, was)
    after, before = (cross_entropy(mean, one.raw(*given), width) - entropy for one in networks)
    assert after < 0.5 * before
    kept = json.loads((student / name / "history.json").read_text())
    assert min(kept["val_loss"]) < kept["base_val_loss"]
    assert entropy < min(kept["val_loss"])  # it is held against the pool, not against redshifts


def test_a_target_is_the_mean_of_what_the_networks_say_mixed_with_the_redshift(
    base, sample, tmp_path
):
    rows, grid = np.array([7, 3, 11]), base.pool.grid
    given = sample.images(rows), sample.column("ebv", rows)
    mean = np.mean([member.raw(*given) for member in base.pool.members], axis=0) * grid.width
    truth = smooth_targets(sample.column("specz_redshift", rows), grid, width=0.01)
    for share in (0.0, 0.3):
        targets = write_soft_targets(
            tmp_path / "t.npy", base.pool, sample, rows, truth_share=share, truth_width=0.01
        )
        expected = (1 - share) * mean + share * truth
        np.testing.assert_allclose(targets(rows), expected, atol=1e-5)
        np.testing.assert_array_equal(targets(rows[::-1]), targets(rows)[::-1])


def test_its_onnx_form_says_what_its_keras_form_says(student, sample_path, sample_split):
    given = stamps(sample_path, sample_split.test)
    one, other = (load(student).estimate(*given) for load in (load_pool, load_onnx_form))
    width = one.grid.width
    np.testing.assert_allclose(other.pdf.density * width, one.pdf.density * width, atol=1e-5)
    np.testing.assert_allclose(other.pdf.density.sum(axis=1) * width, 1, rtol=1e-5)


def test_what_the_test_galaxies_are_like_changes_nothing(
    base, student, sample_path, sample_split, tmp_path, rows_read
):
    path, test = tmp_path / "galaxies.h5", slice(700, 800)
    path.write_bytes(sample_path.read_bytes())
    with h5py.File(path, "r+") as file:
        file["images"][test] = np.nan
        file["specz_redshift"][test] = 0.399
        file["ebv"][test] = 9.0
    again = taught(base, path, sample_split, tmp_path)
    assert rows_read == set(range(700))
    assert not list(tmp_path.rglob("targets.npy"))  # as large as the galaxies are many
    assert (again / "pool.onnx").read_bytes() == (student / "pool.onnx").read_bytes()
    assert load_pool(again).calibration == load_pool(student).calibration


def known_to(base: BasePool, galaxies: Path, rows: Path) -> BasePool:
    """The same pool, whose record names these files as what trained it."""
    from pix2z.files import file_digest

    first = base.pool.members[0]
    inputs = {"galaxies_sha256": file_digest(galaxies), "split_sha256": file_digest(rows)}
    first = replace(first, record={**first.record, "inputs": inputs})
    return replace(base, pool=replace(base.pool, members=(first, *base.pool.members[1:])))


def test_galaxies_that_did_not_train_the_pool_are_refused(base, sample_path, tmp_path):
    rows = tmp_path / "full.h5"
    rows.write_bytes(b"rows")

    def record(of):
        given = {"name": "student", "galaxies": sample_path, "rows": rows, "source": "semi-real"}
        return student_record(of, SETTINGS, **given)

    known = known_to(base, sample_path, rows)
    assert record(known)["base_pool_digest"] == base.pool.digest
    assert record(known)["training_key"] == record(known)["training_key"]
    rows.write_bytes(b"other rows")
    with pytest.raises(InputError, match=r"full\.h5: not what .* was trained on"):
        record(known)


def test_it_is_a_candidate_that_the_gate_holds_against_its_pool(
    base, student, sample_path, sample_split, tmp_path
):
    record = {**RECORD, "inputs": {"galaxies_sha256": "g", "split_sha256": "s", "settings": {}}}
    with open_galaxies(sample_path) as galaxies:
        report = write_student_report(
            student,
            base,
            galaxies,
            sample_split,
            record=record,
            settings=EvaluateConfig(seed=1, n_bootstrap=100, margin=0.02),
        )
    change = report["differences"]["tuned minus base"]["crps"]
    assert change["low"] <= change["value"] <= change["high"]
    assert report["verdict"].startswith("On 100 test galaxies, CRPS is ")
    model = read_finetuned(student)
    assert model.name == "pix2z-student"
    assert model.owner.tags["base_pool_digest"] == base.pool.digest
    kinds = set(model.owner.artifacts.values())
    assert {"predictions", "base_predictions"} <= kinds
    assert "one network that learned the PDFs of the pool of full" in model.description


def test_a_student_teaches_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.setattr(sys, "argv", ["student", "--parent", "student"])
    for _ in ("that of the package", "one's own"):
        with pytest.raises(InputError, match="--parent student: is a student; expected the pool"):
            main()
        (tmp_path / "finetuned/student").mkdir(parents=True, exist_ok=True)
        (tmp_path / "finetuned/student/pool.json").write_text("{}")


def test_what_is_shipped_estimates_without_the_weights(student, sample_path, tmp_path):
    whole, package = tmp_path / "whole", tmp_path / "package"
    shutil.copytree(student, whole)
    (whole / "report.json").write_text('{"pool_digest": "x"}')
    (name,) = read_pool(student)["members"]
    shutil.copytree(whole / name, whole / "seed-9")  # of a student that was here before
    ship(whole, package, tmp_path / "student.json")
    (whole / "pool.onnx").rename(tmp_path / "pool.onnx")
    with pytest.raises(FileNotFoundError):
        ship(whole, package, tmp_path / "student.json")  # which leaves what is there
    (tmp_path / "pool.onnx").rename(whole / "pool.onnx")
    names = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert names == {"pool.json", "pool.onnx", f"{name}/estimator.json"}
    given = stamps(sample_path, np.arange(5))
    one, other = (load_onnx_form(at).estimate(*given) for at in (package, whole))
    np.testing.assert_array_equal(one.pdf.density, other.pdf.density)
