"""A fine-tuned model in the store, from made-up files; cli/test_finetune.py has real ones."""

import json
import shutil
from pathlib import Path

import pytest

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.live import live_curve
from pix2z.tracking.pools import read_finetuned
from pix2z.tracking.register import register, register_finetuned
from tests.tracking.conftest import write_predictions


def runs(client):
    experiment = client.get_experiment_by_name("pix2z-train")
    return client.search_runs([experiment.experiment_id])


def write_report(folder, *, training_key: str) -> None:
    values = {"crps": {"value": 0.01, "low": None, "high": None}, "r2": {"value": None}}
    report = {
        "name": folder.name,
        "pool_digest": json.loads((folder / "pool.json").read_text())["digest"],
        "training_key": training_key,
        "base": {"model": "full", "pool_digest": "0123456789abcdef"},
        "data": {
            "file": "mine.h5",
            "source": "made-up galaxies",
            "sha256": "0",
            "galaxies_digest": "sha256:1",
            "split_digest": "sha256:2",
            "test_digest": "3",
        },
        "settings": {"learning_rate": 0.001},
        "n": {"train": 1100, "validation": 240, "calibration": 260, "test": 400},
        "metrics": {"base": values, "recalibrated": values, "tuned": values},
        "seeds": {"1": {"crps": 0.011}, "2": {"crps": None}},
        "seen_before": {"words": "Nothing was compared."},
        "verdict": "It is better.",
    }
    (folder / "report.json").write_text(json.dumps(report))


@pytest.fixture
def folder(root):
    """finetuned/mine with the networks of `full`, as where no epoch was better."""
    folder = root / "finetuned/mine"
    shutil.copytree(root / "models/full", folder)
    write_report(folder, training_key="inputs")
    return folder


def test_it_appears_once_however_often_it_is_registered(root, folder, client):
    assert register_finetuned(folder, root=root) == "models:/pix2z-mine/1"
    ids = {run.info.run_id for run in runs(client)}
    assert register_finetuned(folder, root=root) == "models:/pix2z-mine/1"
    assert {run.info.run_id for run in runs(client)} == ids
    assert len(ids) == 3


def test_the_card_says_what_it_was_tuned_from_and_on(root, folder, client):
    register_finetuned(folder, root=root)
    (version,) = client.search_model_versions("name = 'pix2z-mine'")
    for words in (
        "the pool of full (digest 0123456789ab), which went on training on 1,100 galaxies of mine",
        "On 400 galaxies of mine.h5 that neither training nor calibration used",
        "- CRPS: **0.0100**, base 0.0100, base recalibrated 0.0100",
        "It is better. Nothing was compared.",
        'load_model("models:/pix2z-mine/<version>")',
        "made-up galaxies",
    ):
        assert words in version.description
    assert version.tags["base_pool_digest"] == "0123456789abcdef"
    assert version.tags["test_digest"] == "3"


def test_it_carries_the_predictions_of_itself_and_of_its_base(root, folder, client):
    """A champion that is the base is compared on them."""
    report = json.loads((folder / "report.json").read_text())
    write_predictions(folder / "predictions", folder)
    write_predictions(folder / "base_predictions", root / "models/full")
    index = folder / "base_predictions/predictions.json"
    said = json.loads(index.read_text())
    index.write_text(json.dumps(said | {"pool_digest": report["base"]["pool_digest"]}))
    register_finetuned(folder, root=root)
    run_id = client.get_model_version("pix2z-mine", "1").run_id
    for kind in ("predictions", "base_predictions"):
        names = {Path(file.path).name for file in client.list_artifacts(run_id, kind)}
        parts = {"validation.hdf5", "calibration.hdf5", "pool.hdf5"}
        assert names == {*parts, "predictions.json"}


def test_undefined_metrics_are_absent(root, folder, client):
    register_finetuned(folder, root=root)
    metrics = {run.info.run_name: run.data.metrics for run in runs(client)}
    assert "test/r2" not in metrics["finetune mine, pool"]
    assert metrics["finetune mine, seed 1"]["test/crps"] == 0.011
    assert "test/crps" not in metrics["finetune mine, seed 2"]


def test_the_live_runs_are_adopted(root, folder, client):
    estimator = json.loads((folder / "seed-1/estimator.json").read_text())
    key = estimator["record"]["training_key"]
    live_curve(1, arm="finetune mine", training_key=key, stage="finetune")(0, {"val_loss": 2.1})
    (live,) = runs(client)
    register_finetuned(folder, root=root)
    adopted = client.get_run(live.info.run_id)
    assert adopted.info.run_name == "finetune mine, seed 1"
    assert (adopted.info.status, adopted.data.tags["live"]) == ("FINISHED", "adopted")
    assert adopted.data.tags["stage"] == "finetune"
    assert len(runs(client)) == 3


def test_the_same_weights_from_other_galaxies_are_other_runs(root, folder, client):
    """Where no epoch is better, weights say nothing of the galaxies that were tried."""
    register_finetuned(folder, root=root)
    write_report(folder, training_key="other inputs")
    for seed in (1, 2):
        path = folder / f"seed-{seed}/estimator.json"
        path.write_text(path.read_text().replace('"inputs"', '"other inputs"'))
    register_finetuned(folder, root=root)
    assert len(runs(client)) == 3 + 2  # the pool is made-up here, so its digest is the same


def test_it_is_registered_with_the_arms_too(root, arms, folder, client):
    register(root, arms)
    names = {run.info.run_name for run in runs(client)}
    assert {"full, pool", "finetune mine, pool", "finetune mine, seed 2"} <= names
    assert {m.name for m in client.search_registered_models()} >= {"pix2z-full", "pix2z-mine"}


def test_a_half_made_one_is_passed_over_with_a_word(root, arms, folder, client, caplog):
    pool = json.loads((folder / "pool.json").read_text())
    (folder / "pool.json").write_text(json.dumps(pool | {"digest": "another"}))
    with pytest.raises(InputError, match="report.json is of another pool; repeat pix2z finetune"):
        read_finetuned(folder)
    register(root, arms)
    assert "not registered" in caplog.text
    assert "pix2z-mine" not in {m.name for m in client.search_registered_models()}


def test_a_store_out_of_reach_is_one_line(folder, root, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/data/galaxies.h5/mlflow.db")
    with pytest.raises(Pix2zError, match="MLflow's store cannot be written") as caught:
        register_finetuned(folder, root=root)
    assert "\n" not in str(caught.value)
