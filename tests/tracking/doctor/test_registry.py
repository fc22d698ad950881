"""Faults of what the registry holds."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from pix2z.tracking.promotion.versions import find_version, read_versions

from pix2z.config.arms import read_arms
from pix2z.errors import InputError
from pix2z.tracking.doctor.examination import mend
from pix2z.tracking.existing import with_experiments
from pix2z.tracking.live import live_curve
from pix2z.tracking.registration import register
from pix2z.tracking.store import Store
from pix2z.tracking.version_lineage import version_lineage

pytestmark = pytest.mark.usefixtures("without_data")


def artifacts(store, version="1") -> Path:
    return Path(store.get_model_version_download_uri("pix2z-full", version))


def copy_to_production(store) -> None:
    if not store.search_registered_models("name = 'pix2z'"):
        store.create_registered_model("pix2z")
    copy = store.copy_model_version("models:/pix2z-full/1", "pix2z")
    store.set_registered_model_alias("pix2z", "champion", copy.version)


def test_a_fresh_store_beside_trained_arms(clinic, healthy, empty_database):
    shutil.copy(empty_database, healthy / "mlflow.db")
    clinic.cure("the store is fresh: it holds no version of the trained arms", stages=True)


def test_models_that_dvc_changed_are_registered(clinic, retrained, store):
    retrained(b"other weights")
    clinic.cure("models changed after they were registered, by `dvc checkout` or training")
    assert len(store.search_model_versions("name = 'pix2z-full'")) == 2


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_artifacts_come_back_from_the_files_for_copies_too(clinic, store, healthy, damage):
    copy_to_production(store)
    folder = artifacts(store)
    weights = folder / "artifacts/pool/seed-1/weights.weights.h5"
    before = weights.read_bytes()
    if damage == "gone":
        shutil.rmtree(folder)
    else:
        weights.write_bytes(b"altered")
    (what,) = clinic.faults()
    assert what.startswith(f"a version's artifacts {'are gone' if damage == 'gone' else 'were'}")
    command = clinic.cure(what)
    assert command == "pix2z doctor --mend artifacts/pix2z-full/1"
    assert weights.read_bytes() == before
    assert (folder / "MLmodel").is_file()
    assert store.get_model_version("pix2z", "1").aliases == ["champion"]


def test_artifacts_of_an_earlier_training_come_back_from_the_history(clinic, retrained, store):
    retrained(b"other weights")
    register(clinic.root, read_arms(clinic.root / "params.yaml"))
    shutil.rmtree(artifacts(store, "1"))
    clinic.cure("a version's artifacts are gone")
    weights = artifacts(store, "1") / "artifacts/pool/seed-1/weights.weights.h5"
    assert weights.read_bytes() == b"weights of full"
    assert list(clinic.root.glob(".partial-*")) == []


def test_artifacts_that_nothing_holds_have_to_be_made_again(clinic, retrained, store):
    retrained(b"other weights")
    register(clinic.root, read_arms(clinic.root / "params.yaml"))
    shutil.rmtree(artifacts(store, "1"))
    shutil.rmtree(clinic.root / ".dvc/cache")
    assert clinic.faults()["a version's artifacts are gone"] == "pix2z reproduce pix2z-full/1"
    with pytest.raises(InputError, match="no such fault"):
        mend(clinic.root, "artifacts/pix2z-full/1")


def test_an_alias_of_a_missing_version(clinic, store, healthy):
    with sqlite3.connect(healthy / "mlflow.db") as opened:
        columns = "(alias, version, name, workspace)"
        opened.execute(
            f"INSERT INTO registered_model_aliases {columns} VALUES ('best', 9, 'pix2z-full', "
            "'default')"
        )
    clinic.cure("an alias points at a missing version")
    assert store.get_registered_model("pix2z-full").aliases == {}


def test_a_logged_model_whose_version_was_never_made(clinic, store, monkeypatch, retrained):
    """Killed between finishing the upload and making the version, then registered again."""

    def kill(*_args, **_kwargs):
        raise KeyboardInterrupt

    retrained(b"other weights")
    arms = read_arms(clinic.root / "params.yaml")
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "create_model_version", kill)
        with pytest.raises(KeyboardInterrupt):
            register(clinic.root, arms)
    register(clinic.root, arms)
    clinic.cure("a logged model belongs to no version")
    assert len(store.search_model_versions("name = 'pix2z-full'")) == 2


def test_a_deleted_run_is_restored(clinic, store):
    run_id = store.get_model_version("pix2z-full", "1").run_id
    store.delete_run(run_id)
    assert clinic.cure("the run of a version is deleted").startswith("mlflow runs restore")
    assert store.get_run(run_id).info.lifecycle_stage == "active"


def test_a_run_that_is_gone_for_good_has_a_successor(clinic, store, healthy):
    copy_to_production(store)
    run_id = store.get_model_version("pix2z-full", "1").run_id
    store.delete_run(run_id)
    uri = f"sqlite:///{healthy}/mlflow.db"
    SqlAlchemyStore(uri, str(healthy / "mlruns"))._hard_delete_run(run_id)
    faults = [found for found in clinic.findings() if found.is_fault]
    assert [found.what for found in faults] == ["the run of a version is gone"] * 2
    for found in faults:
        clinic.run(found.command)
    assert clinic.faults() == {}
    opened = with_experiments(Store(store, uri, {}))
    lineage = version_lineage(opened, find_version(read_versions(store), "pix2z/1"))
    assert [run.name for run in lineage.runs["pool"]] == ["full, pool"]


def test_a_training_whose_process_is_gone(clinic, store):
    child = os.fork()
    if child == 0:
        live_curve(1, arm="full", training_key="killed")
        os._exit(0)
    os.waitpid(child, 0)
    clinic.cure("a run is shown as running, but its process is gone")
    (run,) = [r for r in runs(store) if r.data.tags.get("live") == "true"]
    assert run.info.status == "KILLED"
    live_curve(1, arm="full", training_key="killed")  # resumed
    assert store.get_run(run.info.run_id).info.status == "RUNNING"
    assert clinic.faults() == {}  # this process lives


def test_a_training_on_another_machine_is_no_fault(clinic, store):
    live_curve(1, arm="full", training_key="elsewhere")
    (run,) = [r for r in runs(store) if r.data.tags.get("live") == "true"]
    store.set_tag(run.info.run_id, "process", "another-machine 1 1")
    assert clinic.faults() == {}
    assert "1 runs are under way elsewhere" in clinic.notes()


def runs(store):
    return store.search_runs([store.get_experiment_by_name("pix2z-train").experiment_id])


@pytest.mark.parametrize("name", ["alias/pix2z@champion", "nonsense", "run/0123"])
def test_what_is_not_at_fault_is_not_mended(clinic, store, name):
    copy_to_production(store)
    with pytest.raises(InputError, match=f"{name}: no such fault is found"):
        mend(clinic.root, name)
