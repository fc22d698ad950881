"""A fine-tuned model in the store, from made-up files; cli/test_finetune.py has real ones."""

import json
from pathlib import Path

import pytest

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.pools import read_finetuned
from pix2z.tracking.register import register, register_finetuned
from tests.tracking.conftest import write_finetuned_report, write_predictions


def runs(client):
    experiment = client.get_experiment_by_name("pix2z-train")
    return client.search_runs([experiment.experiment_id])


def test_its_version_says_what_it_was_tuned_from_and_on(root, finetuned, client):
    assert register_finetuned(finetuned, root=root) == "models:/pix2z-mine/1"
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
    assert version.tags["test_digest"] == "of mine"
    assert "seed_metrics" not in version.tags  # of one of its seeds nothing is known
    metrics = {run.info.run_name: run.data.metrics for run in runs(client)}
    assert metrics["finetune mine, seed 1"]["test/crps"] == 0.011
    assert "test/crps" not in metrics["finetune mine, seed 2"]  # undefined: absent, not zero


def test_it_carries_the_predictions_of_itself_and_of_its_base(root, finetuned, client):
    """A champion that is the base is compared on them."""
    report = json.loads((finetuned / "report.json").read_text())
    write_predictions(finetuned / "predictions", finetuned, test_digest="of mine")
    write_predictions(finetuned / "base_predictions", root / "models/full", test_digest="of mine")
    index = finetuned / "base_predictions/predictions.json"
    said = json.loads(index.read_text())
    index.write_text(json.dumps(said | {"pool_digest": report["base"]["pool_digest"]}))
    register_finetuned(finetuned, root=root)
    run_id = client.get_model_version("pix2z-mine", "1").run_id
    for kind in ("predictions", "base_predictions"):
        names = {Path(file.path).name for file in client.list_artifacts(run_id, kind)}
        parts = {"validation.hdf5", "calibration.hdf5", "pool.hdf5"}
        assert names == {*parts, "predictions.json"}


def test_the_same_weights_from_other_galaxies_are_other_runs(root, finetuned, client):
    """Where no epoch is better, weights say nothing of the galaxies that were tried."""
    register_finetuned(finetuned, root=root)
    write_finetuned_report(finetuned, training_key="other inputs")
    for seed in (1, 2):
        path = finetuned / f"seed-{seed}/estimator.json"
        path.write_text(path.read_text().replace(': "inputs"', ': "other inputs"'))
    register_finetuned(finetuned, root=root)
    assert len(runs(client)) == 3 + 2  # the pool is made-up here, so its digest is the same


def test_a_half_made_one_is_passed_over_with_a_word(root, arms, finetuned, client, caplog):
    pool = json.loads((finetuned / "pool.json").read_text())
    (finetuned / "pool.json").write_text(json.dumps(pool | {"digest": "another"}))
    with pytest.raises(InputError, match="report.json is of another pool; repeat pix2z finetune"):
        read_finetuned(finetuned)
    register(root, arms)
    assert "not registered" in caplog.text
    assert "pix2z-mine" not in {m.name for m in client.search_registered_models()}


def test_a_store_out_of_reach_is_one_line(finetuned, root, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/data/galaxies.h5/mlflow.db")
    with pytest.raises(Pix2zError, match="MLflow's store cannot be written") as caught:
        register_finetuned(finetuned, root=root)
    assert "\n" not in str(caught.value)
