"""What the gate reads: predictions of the version and of the champion, tied by their digests."""

import json
import shutil
from dataclasses import replace

import h5py
import pytest

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.promotion import PromotionConfig
from pix2z.dataset.splits import ids_digest, read_split, write_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import metric_values
from pix2z.redshift_pdf.qp_files import read_prediction_chunks
from pix2z.tracking.promotion import evidence
from pix2z.tracking.promotion.evidence import part_terms
from pix2z.tracking.promotion.judgement import Gate, judge, without_predictions
from pix2z.tracking.promotion.smoke import find_held_out
from pix2z.tracking.promotion.trail import FILE, read_trail
from pix2z.tracking.store import default_store, open_store
from pix2z.tracking.versions import CHAMPION, find_version, read_versions, with_alias
from tests.tracking.conftest import git


def lines(text):
    """Lines of a table by their first cell."""
    return {line.split("  ")[0]: line for line in text.splitlines() if line.strip()}


def judged(world, model, *, new_test_set=False):
    """Put a version through the gate, against the champion."""
    params, store = world / "params.yaml", open_store()
    gate = Gate(store, world, PromotionConfig.read(params), EvaluateConfig.read(params))
    versions = read_versions(store.client)
    candidate, champion = find_version(versions, model), with_alias(versions, CHAMPION)
    return judge(gate, candidate, champion, new_test_set=new_test_set)


def names_of(decision):
    return [check.name for check in decision.checks]


@pytest.mark.usefixtures("unserved")
def test_the_numbers_are_those_of_evaluation(world, made):
    """What the gate measures is what predict wrote and evaluate would find."""
    found = judged(world, "full").metrics
    file = made / "predictions/full/pool.hdf5"
    assert found == pytest.approx(metric_values(galaxy_terms(read_prediction_chunks(file))))


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


def altered_files(predictions):
    for file in predictions.glob("*.hdf5"):
        content = bytearray(file.read_bytes())
        content[-100] ^= 1
        file.write_bytes(content)


def altered(key):
    def alter(predictions):
        said = json.loads((predictions / "predictions.json").read_text())
        said[key] = "0123456789abcdef"
        (predictions / "predictions.json").write_text(json.dumps(said))

    return alter


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (shutil.rmtree, "carries no predictions"),
        (altered("pool_digest"), "predictions of another pool: expected pool_digest "),
        (altered("test_digest"), "predictions of another test: expected test_digest "),
        (altered_files, "does not match its sha256"),
    ],
)
@pytest.mark.usefixtures("unserved")
def test_predictions_that_are_not_the_versions_own_are_refused(
    world, made, run, dump, own_artifacts, alter, words
):
    """As a candidate and as an arm to choose from; as a champion, unless a new line is begun."""
    assert run("promote", "full")[0] == 0
    alter(own_artifacts[0])
    code, _, err = run("promote", "clipped")
    assert code == 3
    assert "Champion: " in err
    assert words in err
    assert "or --new-test-set" in err
    assert judged(world, "clipped", new_test_set=True).passed
    open_store().client.delete_registered_model("pix2z")
    before = dump()
    for flags in ((), ("--new-test-set",)):
        code, out, err = run("promote", "full", *flags)
        assert code == 3
        assert err.startswith("error: pix2z-full/1 is refused: Predictions: ")
        assert words in err
        assert "its pool is not in models/ now" in err
        assert err.count("\n") == 1
        assert "not measured" in lines(out)["CRPS"]
    out = run("promote", "--dry-run")[1]  # the best arm that there is
    assert "Not compared: " in out
    assert words in out
    assert "clipped has the lowest CRPS" in out
    assert dump() == before
    shutil.copytree(made / "models", world / "models")
    shutil.copytree(made / "predictions/full", world / "predictions/full")
    assert "`dvc repro register` adds them" in run("promote", "full")[2]


def test_the_way_to_predictions_is_one_that_leads_there(made, world):
    """Register adds what lies beside the pool; what was never written takes a training."""
    store = open_store()
    version = find_version(read_versions(store.client), "full")

    def told(**tags):
        tagged = replace(version, tags={**version.tags, **tags})
        return without_predictions(world, tagged, "none").measured

    assert told() == "none; its pool is not in models/ now: `dvc repro -s register` adds them"
    assert "code is that of commit 0123; in a later one whose dvc.lock" in told(git_commit="0123")
    git(world, "init")
    (world / FILE).write_text(version.pool_digest)
    git(world, "add", FILE)
    git(world, "commit", "-m", "promoted")
    promoted = git(world, "rev-parse", "HEAD")
    assert f"`git checkout {promoted[:12]}`, `dvc pull` and" in told(git_commit="0123")

    shutil.copytree(made / "models/full", world / "models/full")
    index = "predictions/full/predictions.json"
    assert told() == f"none; {index} is missing, and only a training writes it"
    (world / "predictions/full").mkdir(parents=True)
    (world / index).touch()
    assert told() == "none; `dvc repro register` adds them"

    (world / "finetuned").mkdir()
    field = (world / "models/full").rename(world / "finetuned/field")
    assert "none; repeat pix2z finetune" in told(base_pool_digest="base")
    (field / "predictions").mkdir()
    (field / "predictions/predictions.json").touch()
    assert told(base_pool_digest="base") == "none; `dvc repro register` adds them"


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
    assert names_of(judged(world, "field"))[-1] == "Champion"  # the base's are not there
    client.log_artifacts(run_id, str(world / "base_predictions"), "base_predictions")
    decision = judged(world, "field")
    assert decision.compared
    assert "CRPS minus the champion's" in decision.refusal
    assert len(find_held_out(world, digest).rows) == 100
    shutil.rmtree(world / "data")  # it is judged on galaxies of its own
    assert judged(world, "field").compared


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


def test_galaxies_of_another_split_are_refused(world, run):
    row = int(read_split(world / "data/splits/full.h5").test[0])
    with h5py.File(world / "data/galaxies.h5", "r+") as file:
        file["object_id"][row] = 123456789
    code, _, err = run("promote")
    assert code == 2
    assert "its test galaxies are not those that" in err


def test_a_version_whose_weights_are_not_its_own_is_refused(world, run, dump, own_artifacts):
    """Only loading it as it is served shows that; what it predicted is whole."""
    _, model = own_artifacts
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
