"""What runs and versions say of spectrum networks."""

import json
import re

import pytest

from pix2z.errors import InputError, IntegrityError
from pix2z.tracking.records import SPECTRA
from pix2z.tracking.register import register
from pix2z.tracking.versions import find_version, listed_versions, read_versions
from tests.tracking.spectrum_files import write_assessment, write_network

DATA = ("galaxies_digest", "spectra_digest", "split_digest")


def runs(client):
    experiment = client.get_experiment_by_name(SPECTRA)
    return {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}


def versions(client):
    return client.search_model_versions(f"name = '{SPECTRA}'")


def aliases(client):
    return {k: int(v) for k, v in client.get_registered_model(SPECTRA).aliases.items()}


def test_a_run_shows_curves_parameters_metrics_and_data(root, client, networks):
    register(root, {}, networks)
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
    assert "redshift_network/mae" not in runs(client)["plain"].data.metrics


def test_a_report_of_another_network_gives_no_metrics(root, client, networks):
    write_assessment(root, {**networks, "full": "another"})
    register(root, {}, networks)
    run = runs(client)["full"]
    assert "test/mse" not in run.data.metrics
    assert "Not assessed yet" in run.data.tags["mlflow.note.content"]
    (card,) = [v.description for v in versions(client) if v.tags["arm"] == "full"]
    assert "**Metrics**" not in card
    assert "**Limits**" in card


def test_the_alias_moves_to_the_newer_version(root, client, networks):
    register(root, {}, networks)
    assert aliases(client) == {"full": 1, "plain": 2}
    digest = write_network(root, "full", b"other weights")
    register(root, {}, networks)
    assert aliases(client) == {"full": 3, "plain": 2}
    newest = client.get_model_version_by_alias(SPECTRA, "full")
    assert newest.tags["spectrum_digest"] == digest
    assert {"arm", "decoder", "selection", "galaxies_digest"} <= newest.tags.keys()
    client.delete_registered_model_alias(SPECTRA, "full")
    register(root, {}, networks)
    assert aliases(client) == {"full": 3, "plain": 2}


def test_altered_weights_are_not_registered(root, arms, client, networks):
    (root / "spectrum/models/full/weights.weights.h5").write_bytes(b"altered")
    message = "full/weights.weights.h5: does not match the digest in spectrum.json"
    with pytest.raises(IntegrityError, match=message):
        register(root, arms, networks)
    names = {model.name for model in client.search_registered_models()}
    assert names == {"pix2z-full", "pix2z-published_full"}


@pytest.mark.parametrize("content", ["[]", '{"digest": "x"}', "{"])
def test_a_broken_spectrum_json_is_one_clear_line(root, networks, content):
    (root / "spectrum/models/full/spectrum.json").write_text(content)
    with pytest.raises(InputError, match=re.escape("full/spectrum.json: not ")):
        register(root, {}, networks)


@pytest.mark.parametrize("record", [{"inputs": None}, {"targets": None}, {"targets": "other"}])
def test_a_network_that_does_not_say_what_it_learned_is_one_clear_line(root, networks, record):
    """As the first versions of pix2z wrote it."""
    path = root / "spectrum/models/full/spectrum.json"
    saved = json.loads(path.read_text())
    said = {**saved["record"], **record}
    said = {key: value for key, value in said.items() if value is not None}
    path.write_text(json.dumps({**saved, "record": said}))
    with pytest.raises(InputError, match=r"\A\S+full/spectrum.json: does not say what [^\n]+\Z"):
        register(root, {}, networks)


def test_models_of_redshifts_are_listed_and_looked_at_without_them(root, arms, client, networks):
    register(root, arms)
    before = listed_versions(client)
    register(root, arms, networks)
    assert listed_versions(client) == before
    assert {v.name for v in read_versions(client)} == {"pix2z-full", "pix2z-published_full"}
    for spec in ("spectrum", "pix2z-spectrum/1", "models:/pix2z-spectrum@full"):
        with pytest.raises(
            InputError, match="not registered; expected one of full, published_full"
        ):
            find_version(read_versions(client), spec)


def test_the_assessment_shows_arms_and_ways_side_by_side(root, client, networks):
    register(root, {}, networks)
    run = runs(client)["assessment of 3 arms"]
    metrics = run.data.metrics
    assert metrics["test_mse/mean_spectrum"] == 0.01
    assert metrics["redshift_mae/full templates"] == 0.02
    assert "made-up spectra" in run.data.tags["mlflow.note.content"]
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == {"spectrum.json", "figures"}
    assert len(client.list_artifacts(run.info.run_id, "figures")) == 3
