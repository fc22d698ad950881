"""What the gate reads: predictions of the version and of the champion, tied by their digests."""

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import yaml

from pix2z.dataset.splits import ids_digest, read_split, write_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError, IntegrityError
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import metric_values
from pix2z.redshift_pdf.qp_files import read_prediction_chunks
from pix2z.tracking.promotion import evidence, judgement
from pix2z.tracking.promotion.evidence import open_gate, part_terms
from pix2z.tracking.promotion.judgement import judge
from pix2z.tracking.promotion.smoke import find_held_out
from pix2z.tracking.promotion.trail import read_trail
from pix2z.tracking.store import default_store, open_store
from pix2z.tracking.versions import CHAMPION, find_version, read_versions, with_alias
from tests.tracking.promotion.conftest import lines, set_promotion


def judged(world, model, **allowed):
    """Put a version through the gate, against the champion."""
    store = open_store()
    versions = read_versions(store.client)
    version, champion = find_version(versions, model), with_alias(versions, CHAMPION)
    return judge(open_gate(store, world), version, champion, **allowed)


def names_of(decision):
    return [check.name for check in decision.checks]


@pytest.mark.usefixtures("unserved")
def test_the_numbers_are_those_of_evaluation(world, made):
    """What the gate measures is what predict wrote and evaluate would find."""
    found = judged(world, "full").metrics
    file = made / "predictions/full/pool.hdf5"
    expected = metric_values(galaxy_terms(read_prediction_chunks(file)), only=found)
    assert len(found) == 8
    assert found == pytest.approx(expected)


def test_predictions_are_read_in_chunks(world, monkeypatch):
    """However many galaxies there are, the PDFs of a chunk are held."""
    sizes = []

    def chunks(file):
        for chunk in read_prediction_chunks(file, chunk_rows=32):
            sizes.append(len(chunk))
            yield chunk

    monkeypatch.setattr(evidence, "read_prediction_chunks", chunks)
    store = open_store()
    version = find_version(read_versions(store.client), "full")
    assert len(part_terms(store, version, ["validation", "calibration"])) == 200
    assert sizes == [32, 32, 32, 4] * 2


def another(key):
    def alter(predictions):
        said = json.loads((predictions / "predictions.json").read_text())
        said[key] = "0123456789abcdef"
        (predictions / "predictions.json").write_text(json.dumps(said))

    return alter


def other_bytes(predictions):
    file = predictions / "pool.hdf5"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (shutil.rmtree, "carries no predictions"),
        (another("pool_digest"), "predictions of another pool: expected pool_digest "),
        (another("test_digest"), "predictions of another test: expected test_digest "),
        (other_bytes, "does not match its sha256"),
    ],
)
def test_predictions_that_are_not_the_versions_own_are_refused(altered, alter, words):
    alter(altered[0])
    store = open_store()
    version = find_version(read_versions(store.client), "full")
    with pytest.raises(IntegrityError, match=words) as refused:
        part_terms(store, version, ["test"])
    assert "pix2z-full/1" in str(refused.value)


@pytest.mark.usefixtures("unserved")
def test_a_version_without_predictions_is_neither_promoted_nor_chosen(
    world, made, run, dump, altered
):
    """And as a champion it is followed only where a new line is begun."""
    assert run("promote", "full")[0] == 0
    shutil.rmtree(altered[0])
    code, _, err = run("promote", "clipped")
    assert code == 3
    assert "Champion: pix2z/1 carries no predictions" in err
    assert "or --new-test-set" in err
    assert judged(world, "clipped", new_test_set=True).passed
    open_store().client.delete_registered_model("pix2z")
    before = dump()
    for flags in ((), ("--new-test-set",)):
        code, out, err = run("promote", "full", *flags)
        assert code == 3
        assert err.startswith("error: pix2z-full/1 is refused: Predictions: pix2z-full/1 carries ")
        assert err.count("\n") == 1
        assert "CRPS" not in lines(out)
    out = run("promote", "--dry-run")[1]  # the best arm that there is
    assert "Not compared: pix2z-full/1 carries no predictions" in out
    assert "clipped has the lowest CRPS" in out
    assert dump() == before


def test_a_damaged_fine_tuned_model_blocks_no_other(world):
    """Only where nobody else has the test galaxies is it named."""
    of_arms = world / "data/galaxies.h5"
    digest = read_split(world / "data/splits/full.h5").test_digest
    for name in ("a", "field"):
        (world / "finetuned" / name).mkdir(parents=True)
        shutil.copy(of_arms, world / "finetuned" / name)
    (world / "finetuned/a/split.h5").write_text("damaged")
    assert find_held_out(world, digest).galaxies == of_arms
    (world / "data/splits/full.h5").rename(world / "finetuned/field/split.h5")
    assert find_held_out(world, digest).galaxies == world / "finetuned/field/galaxies.h5"
    (world / "finetuned/field/split.h5").rename(world / "data/splits/full.h5")
    with pytest.raises(InputError, match=r"finetuned/a/split\.h5"):
        find_held_out(world, "feedfacecafe")


@pytest.mark.parametrize("gone", ["galaxies.h5", "split.h5"])
def test_a_fine_tuned_model_whose_sample_is_not_whole_is_passed_over(world, gone):
    """A candidate whose test galaxies are nowhere is refused then, and nothing is advised."""
    field = world / "finetuned/field"
    field.mkdir(parents=True)
    shutil.copy(world / "data/galaxies.h5", field)
    shutil.copy(world / "data/splits/full.h5", field / "split.h5")
    (field / gone).unlink()
    assert find_held_out(world, "feedfacecafe") is None
    open_store().client.set_model_version_tag("pix2z-full", "1", "test_digest", "feedfacecafe")
    refusal = judged(world, "full").refusal
    assert "refused: Test galaxies: digest feedface: not in data/splits/full.h5" in refusal


@pytest.mark.usefixtures("unserved")
def test_a_champion_of_other_test_galaxies_is_only_followed_on_request(world, run, dump):
    run("promote", "clipped")
    client = open_store().client
    client.set_model_version_tag("pix2z", "1", "test_digest", "0123456789abcdef")
    before = dump()
    code, out, err = run("promote", "full")
    assert code == 3
    assert "Same test galaxies: pix2z/1 was tested on others (digest 01234567), expected" in err
    assert "or --new-test-set" in err
    assert "passed" in lines(out)["CRPS"]  # absolute limits are measured all the same
    assert dump() == before
    code, out, _ = run("promote", "full", "--new-test-set")
    assert code == 0
    assert "not compared, as --new-test-set allows" in out
    assert [event.new_test_set for event in read_trail(client, world)] == [False, True]
    assert "(new test set)" in run("history")[1]


@pytest.mark.usefixtures("unserved")
def test_a_champion_that_is_the_base_is_compared_on_the_galaxies_of_the_fine_tuned_one(
    world, made, run, monkeypatch
):
    """Its run says what the base says of its own galaxies: no --new-test-set is needed."""
    from pix2z.network.estimator import load_pool
    from pix2z.network.predictions import write_pool_predictions

    assert run("promote", "full")[0] == 0
    store = open_store()
    client = store.client
    split = read_split(world / "data/splits/full.h5")
    with open_galaxies(world / "data/galaxies.h5") as galaxies:
        digest = ids_digest(galaxies.column("object_id", split.calibration))
        own = replace(split, test=split.calibration, calibration=split.test, test_digest=digest)
        for arm, inside in (("clipped", "predictions"), ("full", "base_predictions")):
            write_pool_predictions(world / inside, load_pool(made / "models" / arm), galaxies, own)
    field = world / "finetuned/field"
    field.mkdir(parents=True)
    shutil.copy(made / "data/galaxies.h5", field / "galaxies.h5")
    write_split(field / "split.h5", own, seed=1, n_galaxies=800)
    run_id = client.create_run(store.experiments["pix2z-train"]).info.run_id
    source = client.get_model_version("pix2z-clipped", "1")
    base = find_version(read_versions(client), "full").pool_digest
    tags = source.tags | {"test_digest": digest, "base_pool_digest": base}
    client.create_registered_model("pix2z-field")
    with default_store(store.uri):
        client.create_model_version("pix2z-field", source.source, run_id, tags)
    client.log_artifacts(run_id, str(world / "predictions"), "predictions")
    missing = judged(world, "field")  # the base's are not there
    assert names_of(missing)[-1] == "Champion"
    assert "Limits: pix2z-field/1 carries no base predictions" in missing.refusal
    client.log_artifacts(run_id, str(world / "base_predictions"), "base_predictions")
    decision = judged(world, "field")
    assert decision.compared
    assert "minus the champion's: 0.0" in decision.refusal
    lines = {check.name: check for check in decision.checks}
    assert lines["Limits"].measured == "its base on the same galaxies"
    base = galaxy_terms(read_prediction_chunks(world / "base_predictions/pool.hdf5"))
    # Paired: the chance in the limit is that of the difference, far from the base's own.
    assert lines["MAE"].limit.startswith(f"≤ {metric_values(base)['mae']:.5f} + ")
    assert not lines["MAE"].passed
    assert len(find_held_out(world, digest).rows) == 100
    shutil.rmtree(world / "data")  # it is judged on galaxies of its own
    assert judged(world, "field").compared


NO_NUMBERS = dict.fromkeys(("crps", "mae", "nmad", "outlier_005"))


@pytest.mark.usefixtures("unserved")
def test_limits_are_what_an_arm_reaches_on_validation_rows(world, made):
    """Of its newest version with the same split; a number in params.yaml takes its place."""
    set_promotion(world, limits=NO_NUMBERS | {"arm": "full", "outlier_005": 0.5})
    validation = galaxy_terms(read_prediction_chunks(made / "predictions/full/validation.hdf5"))
    crps = metric_values(validation)["crps"]
    decision = judged(world, "clipped")
    lines = {check.name: check for check in decision.checks}
    of_arm = "pix2z-full/1 on 100 validation galaxies (params.yaml: outlier_005)"
    assert lines["Limits"].measured == of_arm
    assert lines["CRPS"].limit.startswith(f"≤ {crps:.5f} + ")
    assert lines["outliers > 0.05"].limit.startswith("≤ 50.00 % + ")
    assert "refused: MAE: 0.0" in decision.refusal
    assert judged(world, "full").passed  # no better than itself, which is no loss


@pytest.mark.usefixtures("unserved")
def test_without_the_arm_of_the_limits_nothing_is_promoted_and_the_line_says_what_to_do(world, run):
    client = open_store().client
    set_promotion(world, limits=NO_NUMBERS | {"arm": "catalogue"})
    code, out, err = run("promote", "full")
    assert code == 3
    assert err.startswith("error: pix2z-full/1 is refused: Limits: no version of pix2z-catalogue ")
    assert "`dvc repro`), or give numbers in params.yaml (promotion.limits)" in err
    assert err.count("\n") == 1
    assert "CRPS" not in lines(out)
    set_promotion(world, limits={"arm": "clipped"})
    client.set_model_version_tag("pix2z-clipped", "1", "test_digest", "of another split")
    assert "no version of pix2z-clipped has the same split" in judged(world, "full").refusal


@pytest.mark.usefixtures("unserved")
def test_few_test_galaxies_are_promoted_on_only_on_request(world, run, dump):
    """And then a loss of CRPS is refused where it is significant, whatever the margin."""
    set_promotion(world, smallest_test_set=500, margin=1e-6)
    before = dump()
    code, out, err = run("promote", "full")
    assert code == 3
    assert "Enough galaxies: 100, too few to judge whether CRPS is within " in err
    assert "expected at least 500 independent ones, or --small-test-set" in err
    assert "passed" in lines(out)["CRPS"]
    assert dump() == before
    assert run("promote", "clipped", "--small-test-set")[0] == 0
    allowed = judged(world, "full", small_test_set=True)
    assert any("not judged, as --small-test-set" in check.measured for check in allowed.checks)
    assert run("promote", "full", "--small-test-set", "--reason", "better")[0] == 0
    (_, event) = read_trail(open_store().client, world)
    assert event.small_test_set
    assert not event.new_test_set
    assert "better (small test set)" in run("history", "--wide")[1]
    assert "CRPS minus the champion's" in judged(world, "clipped", small_test_set=True).refusal


@pytest.mark.usefixtures("unserved")
def test_stamps_of_one_galaxy_count_once(world, monkeypatch):
    """Each group of four is one independent galaxy."""
    set_promotion(world, smallest_test_set=50)

    def grouped(*arguments, **settings):
        terms = part_terms(*arguments, **settings)
        return replace(terms, group_id=np.arange(len(terms)) // 4)

    monkeypatch.setattr(judgement, "part_terms", grouped)
    assert "Enough galaxies: 25, too few" in judged(world, "full").refusal


@pytest.mark.usefixtures("unserved")
def test_chance_of_seeds_is_known_from_registration(world, run):
    set_promotion(world, margin=10.0)
    assert run("promote", "clipped")[0] == 0
    client = open_store().client
    told = json.dumps({"crps": [0.01, 0.02], "mae": [0.01, 0.02], "nmad": [0.01, 0.02]})
    unknown = {check.name: check for check in judged(world, "full").checks}
    for model in ("pix2z-full", "pix2z"):
        client.set_model_version_tag(model, "1", "seed_metrics", told)
    known = {check.name: check for check in judged(world, "full").checks}
    name = "CRPS minus the champion's"
    assert unknown[name].limit.endswith(", chance of seeds not known")
    assert "not known" not in known[name].limit
    widths = [line[name].numbers["high"] - line[name].numbers["low"] for line in (unknown, known)]
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize(
    ("tag", "words"),
    [("feedfacecafe", "digest feedface: not in data/splits/full.h5"), (None, "no tag test_digest")],
)
def test_a_candidate_of_unknown_test_galaxies_is_refused(world, run, dump, tag, words):
    client = open_store().client
    client.delete_model_version_tag("pix2z-full", "1", "test_digest")
    if tag:
        client.set_model_version_tag("pix2z-full", "1", "test_digest", tag)
    before = dump()
    for flags in ((), ("--new-test-set",)):
        code, _, err = run("promote", "full", *flags)
        assert code == 3
        assert f"refused: Test galaxies: {words}" in err
        assert err.count("\n") == 1
    assert dump() == before


@pytest.mark.usefixtures("unserved")
def test_arms_that_cannot_be_compared_are_named(world, run):
    client = open_store().client
    client.set_model_version_tag("pix2z-full", "1", "test_digest", "feedfacecafe")
    code, out, _ = run("promote", "--dry-run")
    assert code == 0
    assert "Not compared: pix2z-full/1 was tested on other galaxies (digest feedface)" in out
    client.delete_registered_model("pix2z-clipped")
    code, _, err = run("promote")
    assert code == 3
    assert err.startswith("error: no arm can be promoted: clipped is not registered; pix2z-full/1 ")


@pytest.mark.usefixtures("unserved")
@pytest.mark.parametrize(
    "as_control", [{"architecture": "catalogue"}, {"selection": "equal_n"}], ids=str
)
def test_arms_that_others_are_held_against_are_promoted_only_by_name(world, run, as_control):
    params = yaml.safe_load((world / "params.yaml").read_text())
    params["arms"]["full"] |= as_control  # the best of the two
    (world / "params.yaml").write_text(yaml.safe_dump(params))
    code, out, _ = run("promote", "--dry-run")
    assert code == 0
    assert "clipped has the lowest CRPS" in out
    assert "full" not in out
    assert run("promote", "full", "--dry-run")[0] == 0


def test_galaxies_of_another_split_are_refused(world, run):
    row = int(read_split(world / "data/splits/full.h5").test[0])
    with h5py.File(world / "data/galaxies.h5", "r+") as file:
        file["object_id"][row] = 123456789
    code, _, err = run("promote")
    assert code == 2
    assert "its test galaxies are not those that" in err


def test_a_version_whose_weights_are_not_its_own_is_refused(world, run, dump, altered):
    """Only loading it as it is served shows that; what it predicted is whole."""
    _, model = altered
    before = dump()
    weights = model / "artifacts/pool/seed-1/weights.weights.h5"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    code, out, err = run("promote", "full")
    assert code == 3
    assert err.startswith("error: pix2z-full/1 is refused: Served model: does not load or answer: ")
    assert "do not match the digest" in err
    assert err.count("\n") == 1
    assert "passed" in lines(out)["CRPS"]
    assert dump() == before
