import json
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, RefusedError
from pix2z.tracking.promotion.audit import outcomes, read_events
from pix2z.tracking.promotion.gate import Check
from pix2z.tracking.promotion.production import MOST_REASON, checked_reason, promote, rollback
from pix2z.tracking.promotion.versions import LOCK, PRODUCTION, read_versions


def tags_of(store, number):
    return store.client.get_model_version(PRODUCTION, number).tags


def production(store):
    return [v.label for v in read_versions(store.client) if v.name == PRODUCTION]


def test_the_first_promotion_copies_tags_and_sets_the_champion(store, propose_it, aliases):
    moved = promote(store, propose_it("full"), reason="the first")
    assert (moved.champion, moved.previous, moved.source) == ("pix2z/1", None, "pix2z-full/1")
    assert aliases() == {"champion": 1}
    source = store.client.get_model_version("pix2z-full", "1")
    copy = store.client.get_model_version(PRODUCTION, "1")
    assert (copy.source, copy.run_id) == ("models:/pix2z-full/1", source.run_id)
    assert source.tags.items() <= copy.tags.items()
    said = {key: copy.tags[key] for key in ("source", "replaces", "reason", "promoted_by")}
    assert said | {"promoted_by": ""} == {
        "source": "pix2z-full/1",
        "replaces": "none",
        "reason": "the first",
        "promoted_by": "",
    }
    assert copy.tags["promoted_at"].endswith("+00:00")
    (line,) = json.loads(copy.tags["decision"])
    assert (line["name"], line["verdict"], line["value"]) == ("CRPS", "passed", 0.01)
    (event,) = read_events(store.client)
    assert (event.action, event.from_version, event.to_version) == ("promote", None, "pix2z/1")
    assert event.metrics == {"crps": 0.01, "mae": 0.02}
    assert event.digests["pool_digest"] == source.tags["pool_digest"]
    assert event.digests["test_digest"] == "test"
    assert not event.new_test_set
    assert [model.name for model in store.client.search_registered_models(f"name='{LOCK}'")] == []
    assert "audit trail" in store.client.get_registered_model(PRODUCTION).description


def test_the_champion_before_becomes_the_previous_one(store, propose_it, aliases):
    promote(store, propose_it("full"), reason="")
    moved = promote(store, propose_it("published_full"), reason="")
    assert (moved.champion, moved.previous) == ("pix2z/2", "pix2z/1")
    assert aliases() == {"champion": 2, "previous": 1}
    assert tags_of(store, "2")["replaces"] == "pix2z/1"
    assert tags_of(store, "2")["reason"] == "none given"


def test_a_pool_that_was_in_production_before_is_not_copied_again(store, propose_it, aliases):
    for model in ("full", "published_full", "full"):
        promote(store, propose_it(model), reason="")
    assert production(store) == ["pix2z/2", "pix2z/1"]
    assert aliases() == {"champion": 1, "previous": 2}
    assert outcomes(read_events(store.client), "pix2z/1") == ["replaced", "replaced", "champion"]


def test_an_old_production_version_can_be_promoted_by_its_number(store, propose_it, aliases):
    for model in ("full", "published_full"):
        promote(store, propose_it(model), reason="")
    moved = promote(store, propose_it("models:/pix2z/1"), reason="")
    assert (moved.champion, moved.source) == ("pix2z/1", "pix2z-full/1")
    assert aliases() == {"champion": 1, "previous": 2}


def test_what_did_not_pass_changes_nothing(store, propose_it, dump):
    promote(store, propose_it("full"), reason="")
    proposal = propose_it("published_full")
    lines = (
        *proposal.judgement.checks,
        Check("limits", "MAE", "0.02", "at most 0.01", False),
        Check("limits", "NMAD", "", "at most 0.01", None),
    )
    before = dump()
    refused = replace(proposal, judgement=replace(proposal.judgement, checks=lines))
    with pytest.raises(
        RefusedError, match=r"^pix2z-published_full/1 is refused: MAE: 0\.02, expected"
    ):
        promote(store, refused, reason="")
    with pytest.raises(RefusedError):
        promote(store, replace(proposal, judgement=None), reason="")
    assert dump() == before


def test_a_refusal_names_the_first_lines_and_counts_the_rest(propose_it):
    proposal = propose_it("full")
    lines = tuple(Check("limits", name, "2", "at most 1", False) for name in "abcd")
    refused = replace(proposal, judgement=replace(proposal.judgement, checks=lines))
    assert refused.refusal == (
        "pix2z-full/1 is refused: a: 2, expected at most 1; b: 2, expected at most 1; and 2 more"
    )


def test_a_line_that_was_not_measured_refuses_too(store, propose_it):
    proposal = propose_it("full")
    lines = (Check("served", "Served model", "", "", None),)
    refused = replace(proposal, judgement=replace(proposal.judgement, checks=lines))
    with pytest.raises(RefusedError, match="Served model: not measured"):
        promote(store, refused, reason="")


def test_a_champion_that_changed_since_it_was_measured_refuses(store, propose_it, dump):
    late = propose_it("published_full")
    promote(store, propose_it("full"), reason="")
    before = dump()
    with pytest.raises(RefusedError, match="changed while .* from none to pix2z/1: somebody else"):
        promote(store, late, reason="")
    assert dump() == before


def test_a_lock_of_somebody_else_refuses_both_and_can_be_broken(store, propose_it, dump, aliases):
    for model in ("full", "published_full"):
        promote(store, propose_it(model), reason="")
    store.client.create_registered_model(LOCK, {"by": "ann", "token": "hers"})
    before = dump()
    with pytest.raises(RefusedError, match="another promotion is under way .ann"):
        promote(store, propose_it("full"), reason="")
    with pytest.raises(RefusedError, match="another promotion is under way .ann"):
        rollback(store, reason="")
    assert dump() == before
    rollback(store, reason="", break_lock=True)
    assert aliases() == {"champion": 1, "previous": 2}


def test_a_lock_lost_before_the_aliases_move_leaves_the_champion(
    store, propose_it, aliases, monkeypatch
):
    promote(store, propose_it("full"), reason="")
    real = store.client.set_registered_model_tag

    def lose(*arguments):
        real(*arguments)
        store.client.delete_registered_model(LOCK)

    monkeypatch.setattr(store.client, "set_registered_model_tag", lose)
    with pytest.raises(RefusedError, match="taken over by"):
        promote(store, propose_it("published_full"), reason="")
    assert aliases() == {"champion": 1}
    assert outcomes(read_events(store.client), "pix2z/1") == ["replaced", "no effect"]


def test_a_promotion_without_comparison_is_recorded_as_a_new_line(store, propose_it):
    promote(store, propose_it("full"), reason="")
    proposal = propose_it("published_full")
    new = replace(proposal, judgement=replace(proposal.judgement, compared=False))
    promote(store, new, reason="other galaxies")
    assert [event.new_test_set for event in read_events(store.client)] == [False, True]


def test_rolling_back_swaps_champion_and_previous(store, propose_it, aliases):
    for model in ("full", "published_full"):
        promote(store, propose_it(model), reason="")
    moved = rollback(store, reason="it drifts")
    assert (moved.champion, moved.previous, moved.source) == ("pix2z/1", "pix2z/2", "pix2z-full/1")
    assert aliases() == {"champion": 1, "previous": 2}
    event = read_events(store.client)[-1]
    assert (event.action, event.reason) == ("rollback", "it drifts")
    assert (event.from_version, event.to_version) == ("pix2z/2", "pix2z/1")
    assert event.metrics == {"crps": 0.01, "mae": 0.02}
    rollback(store, reason="")
    assert aliases() == {"champion": 2, "previous": 1}


def test_there_may_be_nothing_to_roll_back_to(store, propose_it, dump):
    with pytest.raises(RefusedError, match="pix2z has no champion yet; `pix2z promote` makes one"):
        rollback(store, reason="")
    promote(store, propose_it("full"), reason="")
    before = dump()
    with pytest.raises(RefusedError, match="pix2z/1 has no previous champion to return to"):
        rollback(store, reason="")
    assert dump() == before


@pytest.mark.parametrize("lost", [None, "2"])
def test_a_previous_alias_that_was_lost_is_found_in_the_trail(store, propose_it, aliases, lost):
    """A kill between the two aliases leaves `previous` on the champion itself."""
    for model in ("full", "published_full"):
        promote(store, propose_it(model), reason="")
    if lost:
        store.client.set_registered_model_alias(PRODUCTION, "previous", lost)
    else:
        store.client.delete_registered_model_alias(PRODUCTION, "previous")
    rollback(store, reason="")
    assert aliases() == {"champion": 1, "previous": 2}


def test_a_store_that_fails_between_the_aliases_leaves_a_way_back(
    store, propose_it, aliases, monkeypatch
):
    for model in ("full", "published_full"):
        promote(store, propose_it(model), reason="")
    real = store.client.set_registered_model_alias

    def fail_for_the_champion(name, alias, version):
        if alias == "champion":
            raise MlflowException("connection lost")
        real(name, alias, version)

    with monkeypatch.context() as patched:
        patched.setattr(store.client, "set_registered_model_alias", fail_for_the_champion)
        with pytest.raises(MlflowException, match="connection lost"):
            promote(store, propose_it("full"), reason="")
    assert aliases() == {"champion": 2, "previous": 2}
    rollback(store, reason="")
    assert aliases() == {"champion": 1, "previous": 2}
    became = outcomes(read_events(store.client), "pix2z/1")
    assert became == ["replaced", "replaced", "no effect", "champion"]


@pytest.fixture
def own_artifacts(store, root, registered) -> Path:
    """Give the store artifacts of its own; return the folder of pix2z-full/1's pool."""
    shutil.copytree(registered / "mlruns", root / "mlruns")
    with sqlite3.connect(root / "mlflow.db") as connection:
        moved = "UPDATE model_versions SET storage_location = replace(storage_location, ?, ?)"
        connection.execute(moved, (str(registered), str(root)))
    model = Path(store.client.get_model_version_download_uri("pix2z-full", "1"))
    assert model.is_relative_to(root)
    return model / "artifacts/pool"


@pytest.mark.parametrize("how", ["gone", "another pool", "not JSON"])
def test_a_broken_previous_version_is_not_returned_to(store, propose_it, dump, own_artifacts, how):
    for model in ("full", "published_full"):
        promote(store, propose_it(model), reason="")
    if how == "gone":
        shutil.rmtree(own_artifacts)
    else:
        text = "{" if how == "not JSON" else '{"digest": "another"}'
        (own_artifacts / "pool.json").write_text(text)
    before = dump()
    with pytest.raises(RefusedError, match="pix2z/1 cannot be served: ") as caught:
        rollback(store, reason="")
    assert "\n" not in str(caught.value)
    assert dump() == before


def test_a_stale_lock_is_taken_over_by_the_next_promotion(store, propose_it, root, aliases):
    store.client.create_registered_model(LOCK, {"by": "ann"})
    with sqlite3.connect(root / "mlflow.db") as connection:
        long_ago = int((time.time() - 16 * 60) * 1000)
        connection.execute("UPDATE registered_models SET creation_time = ?", (long_ago,))
    promote(store, propose_it("full"), reason="")
    assert aliases() == {"champion": 1}


def test_a_reason_is_one_short_line():
    assert checked_reason("  because\n\tof \x1b[31mthis ") == "because of [31mthis"
    assert checked_reason("é" * MOST_REASON) == "é" * MOST_REASON
    with pytest.raises(InputError, match="at most 500 characters; got 501"):
        checked_reason("x" * (MOST_REASON + 1))
