"""Candidates and champions of other test galaxies, and where test galaxies are found."""

import shutil
from dataclasses import replace

import h5py
import pytest

from pix2z.config.arms import read_arms
from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.promotion import PromotionConfig
from pix2z.dataset.splits import ids_digest, write_split
from pix2z.dataset.store import open_galaxies
from pix2z.tracking.promotion.audit import read_events
from pix2z.tracking.promotion.held_out import find_held_out, held_out_of_arms
from pix2z.tracking.promotion.judgement import Bench
from pix2z.tracking.promotion.proposal import propose
from pix2z.tracking.promotion.versions import CHAMPION, read_versions, with_alias
from pix2z.tracking.store import open_store


def champion():
    found = with_alias(read_versions(open_store().client), CHAMPION)
    return found and found.source


def lines(text):
    """Lines of a table by their first cell."""
    return {line.split("  ")[0]: line for line in text.splitlines() if line.strip()}


def proposed(world, model):
    params = world / "params.yaml"
    promotion, evaluate = PromotionConfig.read(params), EvaluateConfig.read(params)
    bench = Bench(open_store(), world, promotion, evaluate, lambda _: None)
    return propose(bench, read_arms(params), model=model, new_test_set=False)


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
    assert [event.new_test_set for event in read_events(client)] == [False, True]
    assert "(new test set)" in run("history")[1]


@pytest.mark.usefixtures("unserved")
def test_a_new_test_set_is_no_way_round_a_comparison_that_can_be_made(world, run):
    run("promote", "full")
    code, _, err = run("promote", "clipped", "--new-test-set")
    assert code == 3
    assert "CRPS minus the champion's" in err


@pytest.mark.usefixtures("unserved")
def test_a_champion_that_is_gone_is_only_followed_on_request(world, run, own_model):
    run("promote", "full")
    shutil.rmtree(own_model)
    code, _, err = run("promote", "clipped")
    assert code == 3
    assert "Champion: pix2z/1: its artifacts are gone" in err
    assert run("promote", "clipped", "--new-test-set")[0] == 0
    assert champion() == "pix2z-clipped/1"


@pytest.mark.parametrize(
    ("tag", "words"),
    [("feedfacecafe", "digest feedface: not in data/splits/full.h5"), (None, "no tag test_digest")],
)
def test_a_candidate_of_unknown_test_galaxies_is_not_measured(world, run, dump, tag, words):
    client = open_store().client
    client.delete_model_version_tag("pix2z-full", "1", "test_digest")
    if tag:
        client.set_model_version_tag("pix2z-full", "1", "test_digest", tag)
    before = dump()
    for flags in ((), ("--new-test-set",)):
        code, out, err = run("promote", "full", *flags)
        assert code == 3
        assert f"refused: Test galaxies: {words}" in err
        assert err.count("\n") == 1
        assert "not measured" in lines(out)["CRPS"]
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
def test_a_fine_tuned_model_is_judged_on_its_own_test_galaxies(world, made, sample_split):
    """Rows 600 to 699, of a sample that lies in finetuned/field."""
    field = world / "finetuned/field"
    field.mkdir(parents=True)
    shutil.copy(made / "data/galaxies.h5", field / "galaxies.h5")
    rows = sample_split.calibration
    with open_galaxies(field / "galaxies.h5") as galaxies:
        digest = ids_digest(galaxies.column("object_id", rows))
    split = replace(sample_split, test=rows, calibration=sample_split.test, test_digest=digest)
    write_split(field / "split.h5", split, seed=1, n_galaxies=800)
    open_store().client.set_model_version_tag("pix2z-full", "1", "test_digest", digest)
    assert list(find_held_out(world, digest).rows) == list(rows)
    assert proposed(world, "full").passed
    shutil.rmtree(world / "data")
    assert proposed(world, "full").passed


def test_galaxies_of_another_split_are_refused(world, run):
    row = int(held_out_of_arms(world).rows[0])
    with h5py.File(world / "data/galaxies.h5", "r+") as file:
        file["object_id"][row] = 123456789
    code, _, err = run("promote")
    assert code == 2
    assert "its test galaxies are not those that" in err
