import json
import re
import shutil

import pytest

from pix2z.errors import InputError
from pix2z.tracking import runs as runs_module
from pix2z.tracking.experiments import EXPERIMENTS
from pix2z.tracking.register import register
from pix2z.tracking.store import Store
from pix2z.tracking.versions import read_versions
from tests.tracking.conftest import ARMS, git, take_over_store, write, write_predictions


def runs(client, name: str):
    experiment = client.get_experiment_by_name(name)
    return client.search_runs([experiment.experiment_id], max_results=1000)


def by_name(client, experiment: str):
    found = {run.info.run_name: run for run in runs(client, experiment)}
    assert len(found) == len(runs(client, experiment))
    return found


def census(client):
    versions = client.search_model_versions("name LIKE 'pix2z-%'")
    ids = {name: sorted(run.info.run_id for run in runs(client, name)) for name in EXPERIMENTS}
    return ids | {"versions": sorted((v.name, v.version, v.run_id) for v in versions)}


@pytest.fixture
def known(root, registered):
    """The folder; its store holds both arms already, and their artifacts are those of another.

    Tests that write other artifacts than those begin with a registration instead.
    """
    take_over_store(registered, root)
    return root


def test_everything_appears_once_however_often_it_is_registered_and_in_a_store_made_anew(
    root, arms, client, networks, finetuned, empty_database
):
    register(root, arms, networks)
    first = census(client)
    counts = {name: len(found) for name, found in first.items()}
    assert counts == {
        "pix2z-tune": 1 + 3,  # the study and its trials
        "pix2z-train": 3 + 2 + 3,  # seeds and pools of two arms, and of a fine-tuned model
        "pix2z-compare": 1,
        "pix2z-spectrum": 2 + 1,  # networks, and their assessment
        "versions": 3 + 2,
    }
    names = {name: set(by_name(client, name)) for name in EXPERIMENTS}
    artifacts = {path: path.stat().st_mtime_ns for path in (root / "mlruns").rglob("*")}
    register(root, arms, networks)
    assert census(client) == first
    assert artifacts == {path: path.stat().st_mtime_ns for path in (root / "mlruns").rglob("*")}

    shutil.copy(empty_database, root / "mlflow.db")
    register(root, arms, networks)
    assert {name: set(by_name(client, name)) for name in EXPERIMENTS} == names
    assert len(census(client)["versions"]) == counts["versions"]


def test_comparisons_are_named_after_the_experiment_or_the_commit_that_made_them(
    root, client, networks, monkeypatch
):
    """And keep that name: the experiment may be applied, and registered again without its name."""
    git(root, "init")
    git(root, "commit", "--allow-empty", "-m", "first")
    commit = git(root, "rev-parse", "HEAD")[:7]
    compared, path = [], root / "reports/compare.json"
    for number, experiment in enumerate(["puffy-sock", None]):
        monkeypatch.setenv("DVC_EXP_NAME", experiment or "")
        write(path, json.loads(path.read_text()) | {"number": number})
        register(root, {})
        compared.append(f"{experiment or commit}: 2 arms and 1 controls")
        assert set(by_name(client, "pix2z-compare")) == set(compared)
    write(root / "reports/report.html", b"<h1>changed</h1>")
    register(root, {})
    assert set(by_name(client, "pix2z-compare")) == set(compared)
    assert "puffy-sock: assessment of 3 arms" in by_name(client, "pix2z-spectrum")
    (root / "params.yaml").touch()
    write(path, json.loads(path.read_text()) | {"number": 2})
    register(root, {})
    assert f"{commit}-dirty: 2 arms and 1 controls" in by_name(client, "pix2z-compare")


def test_a_training_shows_settings_curves_metrics_and_where_it_comes_from(root, registered_client):
    run = by_name(registered_client, "pix2z-train")["full, seed 2"]
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
    assert (tags["arm"], tags["seed"], tags["weights_digest"]) == ("full", "2", b"full2".hex())
    assert tags["galaxies_digest"] == f"sha256:{'a' * 64}"
    assert params["settings.learning_rate"] == "0.002"
    assert params["settings.dense_units"] == "[256, 128]"
    assert metrics["test/mae"] == 0.02
    assert "test/r2" not in metrics  # undefined: absent, not zero
    curve = registered_client.get_metric_history(run.info.run_id, "curves/val_loss")
    history = json.loads((root / "models/full/seed-2/history.json").read_text())
    assert [(m.step, m.value) for m in curve] == list(enumerate(history["val_loss"]))
    assert run.info.end_time - run.info.start_time == pytest.approx(7500, abs=2)
    assert run.info.status == "FINISHED"


def test_a_pool_owns_the_registered_model_and_the_figures(registered_client):
    run = by_name(registered_client, "pix2z-train")["full, pool"]
    assert run.data.metrics["test_inside/mae"] == 0.05
    figures = [f.path for f in registered_client.list_artifacts(run.info.run_id, "figures")]
    assert figures == ["figures/errors_full.png", "figures/pit.png"]
    assert registered_client.get_model_version("pix2z-full", "1").run_id == run.info.run_id
    assert "nanomaggies" in registered_client.get_registered_model("pix2z-full").description


def sections(card: str) -> dict[str, str]:
    """Heading -> what stands below it; what stands before the first one under ""."""
    before, *rest = re.split(r"^\*\*(.+)\*\*\n", card, flags=re.MULTILINE)
    return {"": before, **dict(zip(rest[::2], rest[1::2], strict=True))}


def test_every_version_carries_a_model_card(registered_client):
    for version in registered_client.search_model_versions("name LIKE 'pix2z-%'"):
        card = sections(version.description)
        assert list(card) == ["", "Data", "Metrics", "Limits", "Intended use", "Made again by"]
        assert f"of the arm **{version.tags['arm']}**" in card[""]
        of_seeds = [0.02] * len(ARMS[version.tags["arm"]].seeds)
        assert json.loads(version.tags["seed_metrics"]) == {"mae": of_seeds}
        assert "made-up galaxies. 500 training images per network" in card["Data"]
        assert "coverage of the 95 % interval: **" in card["Metrics"]
        assert "Redshifts from 0 to 0.4 only" in card["Limits"]
        assert "a star gets a redshift too" in card["Limits"]
        assert "Not in the place of a spectrum" in card["Intended use"]
        assert "beyond 2 sigma" not in card["Limits"]


@pytest.mark.parametrize("knows_unlike", [True, False])
def test_the_card_says_which_flags_this_very_model_sets(root, arms, client, knows_unlike):
    pool = root / "models/full/pool.json"
    described = json.loads(pool.read_text())
    if knows_unlike:
        pool.write_text(json.dumps({**described, "sample_density": {}}))
    register(root, {"full": arms["full"].model_copy(update={"selection": "clipped"})})
    limits = sections(client.get_model_version("pix2z-full", "1").description)["Limits"]
    assert "no galaxy beyond 2 sigma" in limits
    assert ("Flag 32 marks" in limits) == ("by flag 32 alone" in limits) == knows_unlike
    assert ("never sets flag 32" in limits) == ("does not recognise" in limits) != knows_unlike
    assert "Flag 64 marks" in limits
    assert "flag 128" in limits


def test_the_comparison_answers_in_words_and_numbers(registered_client):
    (run,) = runs(registered_client, "pix2z-compare")
    assert "Inside the clip window, full is better." in run.data.tags["mlflow.note.content"]
    assert run.data.metrics["inside_mae/full"] == 0.05
    assert run.data.metrics["primary_p_holm_inside_crps/full minus published_full"] == 0.01
    paths = {f.path for f in registered_client.list_artifacts(run.info.run_id)}
    assert paths == {"compare.json", "report.html", "figures"}
    figures = {f.path for f in registered_client.list_artifacts(run.info.run_id, "figures")}
    assert figures == {"figures/errors_full.png", "figures/pit.png"}


def test_trials_are_children_of_their_study(registered_client):
    found = by_name(registered_client, "pix2z-tune")
    study = found.pop("study of 3 trials")
    assert set(found) == {"baseline", "trial 1", "trial 2 (best)"}
    assert {r.data.tags["mlflow.parentRunId"] for r in found.values()} == {study.info.run_id}
    assert study.data.params["best.learning_rate"] == "0.001"
    assert study.data.metrics["best_val_loss"] == pytest.approx(1.3)
    assert found["trial 1"].data.metrics["curves/val_loss"] == pytest.approx(1.4)


def test_other_weights_make_one_more_run_and_one_more_version(known, arms, client, retrain):
    retrain("full", 1, b"other weights")
    register(known, arms)
    assert len(runs(client, "pix2z-train")) == 5 + 2  # the seed and the pool
    versions = client.search_model_versions("name = 'pix2z-full'")
    assert sorted(int(version.version) for version in versions) == [1, 2]
    assert len(client.search_model_versions("name = 'pix2z-published_full'")) == 1


def test_new_metrics_of_the_same_weights_update_run_and_card(known, arms, client):
    before = census(client)
    path = known / "reports/metrics/full.json"
    metrics = json.loads(path.read_text())
    metrics["pool"]["whole"]["mae"]["value"] = 0.0125
    path.write_text(json.dumps(metrics))
    register(known, arms)
    assert census(client) == before
    assert by_name(client, "pix2z-train")["full, pool"].data.metrics["test/mae"] == 0.0125
    (version,) = client.search_model_versions("name = 'pix2z-full'")
    assert "0.0125" in version.description
    metrics["pool"]["whole"]["mae"] |= {"low": 0.0121, "high": 0.0131}
    path.write_text(json.dumps(metrics))
    register(known, arms)
    (version,) = client.search_model_versions("name = 'pix2z-full'")
    assert "MAE, mean |dz|: **0.0125** (0.0121 to 0.0131), inside 0.0500\n" in version.description


def test_a_run_that_a_kill_left_half_written_is_completed(known, arms, client):
    run = by_name(client, "pix2z-train")["full, seed 1"]
    client.delete_tag(run.info.run_id, "content_digest")
    client.update_run(run.info.run_id, status="RUNNING")
    before = client.get_metric_history(run.info.run_id, "curves/val_loss")
    register(known, arms)
    again = by_name(client, "pix2z-train")["full, seed 1"]
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert len(client.get_metric_history(run.info.run_id, "curves/val_loss")) == len(before)


def predictions_of(client, name: str) -> set[str]:
    """Paths of the predictions among the artifacts of the run that owns version 1."""
    run_id = client.get_model_version(name, "1").run_id
    return {file.path for file in client.list_artifacts(run_id, "predictions")}


WHOLE = {f"predictions/{n}" for n in ("validation.hdf5", "calibration.hdf5", "pool.hdf5")}


def test_a_version_carries_its_predictions_of_validation_calibration_and_test(root, arms, client):
    """One of an older pix2z, too, once they are there."""
    register(root, arms)
    before = census(client)
    write_predictions(root / "predictions/full", root / "models/full")
    register(root, arms)
    assert predictions_of(client, "pix2z-full") == WHOLE | {"predictions/predictions.json"}
    assert predictions_of(client, "pix2z-published_full") == set()
    assert census(client) == before


@pytest.mark.parametrize("fault", ["another pool", "altered"])
def test_predictions_of_another_pool_or_altered_ones_are_left_out_with_a_word(
    root, arms, client, caplog, fault
):
    folder = root / "predictions/full"
    write_predictions(folder, root / "models/full")
    if fault == "altered":
        (folder / "calibration.hdf5").write_bytes(b"altered")
    else:
        said = json.loads((folder / "predictions.json").read_text())
        (folder / "predictions.json").write_text(json.dumps(said | {"pool_digest": "another"}))
    register(root, arms)
    assert predictions_of(client, "pix2z-full") == set()
    assert "predictions/full/" in caplog.text
    assert "not registered" in caplog.text


def test_a_pool_that_does_not_say_what_it_was_trained_on_is_one_clear_line(root, arms):
    """As the first versions of pix2z wrote it."""
    path = root / "models/full/seed-1/estimator.json"
    saved = json.loads(path.read_text())
    del saved["record"]["inputs"]
    path.write_text(json.dumps(saved))
    line = r"\A\S+full/seed-1/estimator.json: does not say what it was trained on[^\n]+\Z"
    with pytest.raises(InputError, match=line):
        register(root, arms)


def test_of_twins_from_two_machines_the_first_is_kept(known, arms, client, monkeypatch):
    """Behind a server no lock keeps others out, so each looks once more at what it has made."""
    first = census(client)
    monkeypatch.setattr(Store, "is_shared", True)
    monkeypatch.setattr(runs_module, "_find", lambda *_: ({}, {}))
    for search in ("search_registered_models", "search_model_versions"):
        monkeypatch.setattr(f"mlflow.{search}", lambda **_: [])
    register(known, arms)
    assert census(client) == first


def test_an_arm_that_is_not_trained_yet_is_passed_over_and_models_of_former_names_stay(
    root, arms, client
):
    """As arms were called before they got other names in params.yaml."""
    (root / "models/published_full").rename(root / "models/seed_full")
    register(root, {"seed_full": arms["published_full"]})
    shutil.rmtree(root / "models/seed_full")
    register(root, arms)
    assert {version.name for version in read_versions(client)} == {"pix2z-full", "pix2z-seed_full"}


def test_a_version_names_its_data_and_what_is_missing_is_added_but_nothing_overwritten(
    root, arms, client
):
    """The gate rests on these tags; an older pix2z did not write all of them."""
    full = {"full": arms["full"]}
    register(root, full)
    tags = client.get_model_version("pix2z-full", "1").tags
    made_from = ("galaxies_digest", "split_digest", "test_digest", "pool_digest")
    run = client.get_run(client.get_model_version("pix2z-full", "1").run_id)
    assert {key: tags[key] for key in made_from} == {key: run.data.tags[key] for key in made_from}
    client.set_model_version_tag("pix2z-full", "1", "test_digest", "other")
    client.delete_model_version_tag("pix2z-full", "1", "split_digest")
    register(root, full)
    assert client.get_model_version("pix2z-full", "1").tags == {**tags, "test_digest": "other"}
