"""Runs and versions of spectrum networks: each once, and nothing else is disturbed."""

import json
import re
import shutil

import pytest

from pix2z.errors import InputError, IntegrityError
from pix2z.tracking.experiments import SPECTRA
from pix2z.tracking.live import live_curve
from pix2z.tracking.register import register
from pix2z.tracking.versions import find_version, listed_versions, read_versions, resolve_pool

ARMS = ("full", "clipped", "plain")
DATA = ("galaxies_digest", "spectra_digest", "split_digest")


def runs(client):
    experiment = client.get_experiment_by_name(SPECTRA)
    return {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}


def versions(client):
    return client.search_model_versions(f"name = '{SPECTRA}'")


def aliases(client):
    return {k: int(v) for k, v in client.get_registered_model(SPECTRA).aliases.items()}


def everything(client):
    found = sorted((v.version, v.run_id, v.current_stage) for v in versions(client))
    return {n: r.info.run_id for n, r in runs(client).items()}, found, aliases(client)


def test_everything_appears_once_however_often_it_is_registered(root, arms, client, networks):
    register(root, arms, ARMS)
    first = everything(client)
    assert set(first[0]) == {"full", "plain", "assessment of 3 arms"}
    assert first[2] == {"full": 1, "plain": 2}
    artifacts = {path: path.stat().st_mtime_ns for path in (root / "mlruns").rglob("*")}
    register(root, arms, ARMS)
    assert everything(client) == first
    assert artifacts == {path: path.stat().st_mtime_ns for path in (root / "mlruns").rglob("*")}


def test_the_experiment_appears_in_a_store_that_is_there_already(root, client, networks):
    register(root, {})
    experiment = client.get_experiment_by_name(SPECTRA)
    client.delete_experiment(experiment.experiment_id)
    register(root, {}, ARMS)
    assert client.get_experiment_by_name(SPECTRA).lifecycle_stage == "active"
    assert "spectrum" in experiment.tags["mlflow.note.content"]
    assert len(versions(client)) == 2


def test_a_run_shows_curves_parameters_metrics_figures_and_data(shown):
    root, client = shown
    run = runs(client)["full"]
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
    assert (tags["arm"], tags["decoder"], tags["selection"]) == ("full", "physics", "full")
    saved = json.loads((root / "spectrum/models/full/spectrum.json").read_text())
    assert tags["spectrum_digest"] == saved["digest"]
    digests = {name: f"sha256:{letter * 64}" for name, letter in zip(DATA, "abc", strict=True)}
    assert {name: tags[name] for name in DATA} == digests
    assert tags["mlflow.source.name"] == "pix2z.stages.train_spectrum"
    assert params["settings.wavelength.n"] == "400"
    assert params["encoder.dense_units"] == "[256, 128]"
    assert metrics["test/mse"] == 0.004
    assert metrics["test/coverage_68"] == 0.69
    assert metrics["test_colours/g-r_against_target_nmad"] == 0.04
    assert "test_colours/g-r_against_measured_nmad" not in metrics  # unknown: absent, not zero
    assert metrics["test_h_alpha/found"] == 0.9
    assert metrics["redshift_templates/mae"] == metrics["redshift_templates_inside/mae"] == 0.02
    assert "redshift_network/mae" in metrics
    curve = client.get_metric_history(run.info.run_id, "curves/val_loss")
    history = json.loads((root / "spectrum/models/full/history.json").read_text())
    assert [m.value for m in sorted(curve, key=lambda m: m.step)] == history["val_loss"]
    figures = {f.path for f in client.list_artifacts(run.info.run_id, "figures")}
    assert figures == {f"figures/{n}.png" for n in ("spectra", "ways", "error_by_wavelength")}
    other = runs(client)["plain"]
    assert "redshift_network/mae" not in other.data.metrics
    figures = [f.path for f in client.list_artifacts(other.info.run_id, "figures")]
    assert figures == ["figures/error_by_wavelength.png"]  # the others show the first arm


def test_a_report_of_another_network_gives_no_metrics(root, client, networks, assess):
    assess({**networks, "full": "another"}, 0.004)
    register(root, {}, ARMS)
    run = runs(client)["full"]
    assert "test/mse" not in run.data.metrics
    assert "Not assessed yet" in run.data.tags["mlflow.note.content"]
    assert not client.list_artifacts(run.info.run_id, "figures")
    (card,) = [v.description for v in versions(client) if v.tags["arm"] == "full"]
    assert "**Metrics**" not in card
    assert "**Limits**" in card


def test_new_metrics_of_the_same_weights_update_run_and_card(root, client, networks, assess):
    register(root, {}, ARMS)
    before = everything(client)
    assess(networks, 0.0123)
    register(root, {}, ARMS)
    after = everything(client)
    assert after[1:] == before[1:]
    assert runs(client)["full"].data.metrics["test/mse"] == 0.0123
    (card,) = [v.description for v in versions(client) if v.tags["arm"] == "full"]
    assert "mean squared error of the flux: **0.0123**" in card
    assert "pix2z-spectrum@full" in card


def test_the_alias_moves_to_the_newer_version(root, client, networks, retrain_network):
    register(root, {}, ARMS)
    digest = retrain_network("full", b"other weights")
    register(root, {}, ARMS)
    assert aliases(client) == {"full": 3, "plain": 2}
    newest = client.get_model_version_by_alias(SPECTRA, "full")
    assert newest.tags["spectrum_digest"] == digest
    assert {"arm", "decoder", "selection", "galaxies_digest"} <= newest.tags.keys()
    client.delete_registered_model_alias(SPECTRA, "full")
    register(root, {}, ARMS)
    assert aliases(client) == {"full": 3, "plain": 2}


def test_the_live_run_is_adopted(root, client, networks):
    key = "key of full"
    curve = live_curve(1, arm="full", training_key=key, stage="train_spectrum", experiment=SPECTRA)
    curve(0, {"loss": 0.5, "val_loss": 0.6})
    (live,) = runs(client).values()
    assert live.data.metrics["curves/val_loss"] == 0.6
    register(root, {}, ARMS)
    run = runs(client)["full"]
    assert run.info.run_id == live.info.run_id
    assert (run.info.status, run.data.tags["live"]) == ("FINISHED", "adopted")
    points = client.get_metric_history(run.info.run_id, "curves/val_loss")
    assert sorted(p.step for p in points) == [0, 1, 2, 3]


def test_an_overtaken_live_run_of_a_spectrum_arm_ends_and_no_other(root, client, networks):
    live_curve(1, arm="full", training_key="elsewhere")
    live_curve(1, arm="full", training_key="old", stage="train_spectrum", experiment=SPECTRA)
    (old,) = runs(client).values()
    path = root / "spectrum/models/full/history.json"
    path.touch()
    history = json.loads(path.read_text())
    path.write_text(json.dumps(history | {"seconds": [-100.0] * 4}))  # it began later
    register(root, {}, ARMS)
    assert client.get_run(old.info.run_id).info.status == "KILLED"
    train = client.get_experiment_by_name("pix2z-train").experiment_id
    assert [r.info.status for r in client.search_runs([train])] == ["RUNNING"]


def test_altered_weights_are_not_registered(root, arms, client, networks):
    (root / "spectrum/models/full/weights.weights.h5").write_bytes(b"altered")
    message = "full/weights.weights.h5: does not match the digest in spectrum.json"
    with pytest.raises(IntegrityError, match=message):
        register(root, arms, ARMS)
    assert not client.search_registered_models(f"name = '{SPECTRA}'")
    assert {m.name for m in client.search_registered_models()} == {
        "pix2z-full",
        "pix2z-published_full",
    }


@pytest.mark.parametrize("content", ["[]", '{"digest": "x"}', "{"])
def test_a_broken_spectrum_json_is_one_clear_line(root, networks, content):
    (root / "spectrum/models/full/spectrum.json").write_text(content)
    with pytest.raises(InputError, match=re.escape("full/spectrum.json: not ")):
        register(root, {}, ARMS)


def test_without_spectrum_networks_nothing_is_made(root, arms, client):
    register(root, arms, ARMS)
    assert runs(client) == {}
    assert {m.name for m in client.search_registered_models()} == {
        "pix2z-full",
        "pix2z-published_full",
    }


def test_the_store_is_rebuilt_from_files(root, client, networks, empty_database):
    register(root, {}, ARMS)
    names, found, _ = everything(client)
    shutil.copy(empty_database, root / "mlflow.db")
    register(root, {}, ARMS)
    assert set(runs(client)) == set(names)
    assert len(versions(client)) == len(found)


def test_models_of_redshifts_are_listed_and_looked_at_without_them(root, arms, client, networks):
    register(root, arms)
    before = listed_versions(client)
    register(root, arms, ARMS)
    assert listed_versions(client) == before
    assert {v.name for v in read_versions(client)} == {"pix2z-full", "pix2z-published_full"}
    for spec in ("spectrum", "pix2z-spectrum/1", "models:/pix2z-spectrum@full"):
        with pytest.raises(
            InputError, match="not registered; expected one of full, published_full"
        ):
            find_version(read_versions(client), spec)
    with pytest.raises(InputError, match="not registered; expected one of full"):
        resolve_pool("models:/pix2z-spectrum@full", root=root)


def test_the_assessment_shows_arms_and_ways_side_by_side(shown):
    root, client = shown
    run = runs(client)["assessment of 3 arms"]
    metrics = run.data.metrics
    assert metrics["test_mse/mean_spectrum"] == 0.01
    assert metrics["redshift_mae/full templates"] == 0.02
    assert "made-up spectra" in run.data.tags["mlflow.note.content"]
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == {"spectrum.json", "figures"}
    assert len(client.list_artifacts(run.info.run_id, "figures")) == 3
