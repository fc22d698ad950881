"""Promotions and rollbacks: what they write, what a failure at each write leaves."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from mlflow import MlflowClient

from pix2z.errors import InputError, RefusedError
from pix2z.tracking.promotion.gate import Check
from pix2z.tracking.promotion.production import (
    MOST_REASON,
    checked_reason,
    promote,
    record_trail,
    rollback,
    who,
)
from pix2z.tracking.promotion.trail import (
    FILE,
    champion_pool,
    outcomes,
    read_file,
    read_trail,
    tagged_events,
)
from pix2z.tracking.store import Store
from pix2z.tracking.versions import CHAMPION, PREVIOUS, PRODUCTION, read_versions, with_alias
from tests.tracking.conftest import own_artifacts

FULL, PUBLISHED = "pix2z-full/1", "pix2z-published_full/1"


@pytest.fixture
def promoted(store, root, decide):
    """Promote models, one after the other."""

    def one_after_the_other(*models, reason=""):
        return [promote(store, root, decide(store, model), reason=reason) for model in models][-1]

    return one_after_the_other


def copies(store):
    return [v.label for v in read_versions(store.client) if v.name == PRODUCTION]


def champion_of(store):
    return with_alias(read_versions(store.client), CHAMPION)


def test_the_first_promotion_copies_tags_sets_the_champion_and_writes_the_file(
    store, root, promoted, aliases
):
    event = promoted("full", reason="the first")
    assert (event.to_version, event.from_version, event.source) == ("pix2z/1", None, FULL)
    assert aliases() == {"champion": 1}
    source = store.client.get_model_version("pix2z-full", "1")
    copy = store.client.get_model_version(PRODUCTION, "1")
    assert (copy.source, copy.run_id) == ("models:/pix2z-full/1", source.run_id)
    assert source.tags.items() <= copy.tags.items()
    expected = {"source": FULL, "replaces": "none", "reason": "the first", "promoted_by": who()}
    assert expected.items() <= copy.tags.items()
    assert copy.tags["promoted_at"].endswith("+00:00")
    (line,) = json.loads(copy.tags["decision"])
    assert (line["name"], line["passed"], line["numbers"]) == ("CRPS", True, {"value": 0.01})
    assert tagged_events(store.client) == [event]
    assert event.metrics == {"crps": 0.01, "mae": 0.02}
    assert event.to_pool == event.digests["pool_digest"] == source.tags["pool_digest"]
    assert event.digests["test_digest"] == "test"
    assert (event.new_test_set, event.from_pool) == (False, "")
    assert "audit trail" in store.client.get_registered_model(PRODUCTION).description
    file = read_file(root)
    assert file.champion.pool_digest == event.to_pool
    assert (file.champion.source, file.previous) == (FULL, None)
    assert list(file.events) == [event.key]


def test_the_champion_before_becomes_the_previous_one(store, root, promoted, aliases):
    event = promoted("full", "published_full")
    assert (event.to_version, event.from_version) == ("pix2z/2", "pix2z/1")
    assert aliases() == {"champion": 2, "previous": 1}
    tags = store.client.get_model_version(PRODUCTION, "2").tags
    assert (tags["replaces"], tags["reason"]) == ("pix2z/1", "none given")
    file = read_file(root)
    assert (file.champion.source, file.previous.source) == (PUBLISHED, FULL)
    assert file.previous.pool_digest == event.from_pool


def test_a_pool_that_was_in_production_before_is_not_copied_again(
    store, root, promoted, decide, aliases
):
    promoted("full", "published_full", "full")
    assert copies(store) == ["pix2z/2", "pix2z/1"]
    assert aliases() == {"champion": 1, "previous": 2}
    trail = read_trail(store.client, root)
    assert outcomes(trail, champion_pool(store.client, root)) == [
        "replaced",
        "replaced",
        "champion",
    ]
    event = promoted("models:/pix2z/2")  # by its number in production
    assert (event.to_version, event.source) == ("pix2z/2", PUBLISHED)


def test_what_did_not_pass_changes_nothing(store, root, promoted, decide, dump):
    promoted("full")
    decision = decide(store, "published_full")
    failed = (*decision.checks, Check("limits", "MAE", "0.02", "at most 0.01", False))
    before = dump()
    for checks, words in (
        (failed, r"^pix2z-published_full/1 is refused: MAE: 0\.02, ex"),
        ((), "is refused"),
    ):
        with pytest.raises(RefusedError, match=words):
            promote(store, root, replace(decision, checks=checks), reason="")
    assert dump() == before


def test_a_refusal_names_every_line_that_failed(store, decide):
    lines = tuple(Check("limits", name, "2", "at most 1", False) for name in "abcd")
    assert replace(decide(store, "full"), checks=lines).refusal == (
        "pix2z-full/1 is refused: a: 2, expected at most 1; b: 2, expected at most 1; "
        "c: 2, expected at most 1; d: 2, expected at most 1"
    )


def test_a_champion_that_changed_since_it_was_compared_refuses(store, root, promoted, decide, dump):
    late = decide(store, "published_full")
    promoted("full")
    before = dump()
    with pytest.raises(RefusedError, match="changed meanwhile, from none to pix2z/1: somebody"):
        promote(store, root, late, reason="")
    assert dump() == before


def test_a_champion_that_changes_just_before_the_aliases_move_stays(
    store, root, promoted, decide, aliases, monkeypatch
):
    """As where another machine, whose lock is another one, promotes to the same server."""
    promoted("full", "published_full")
    real = store.client.set_registered_model_tag

    def overtaken(*arguments):
        real(*arguments)
        store.client.set_registered_model_alias(PRODUCTION, CHAMPION, "1")

    monkeypatch.setattr(store.client, "set_registered_model_tag", overtaken)
    with pytest.raises(RefusedError, match="from pix2z/2 to pix2z/1"):
        rollback(store, root, reason="")
    assert aliases() == {"champion": 1, "previous": 1}


def test_of_two_promotions_at_once_one_wins_and_the_other_says_so(store, root, decide):
    both, start = [decide(store, model) for model in ("full", "published_full")], Barrier(2)

    def at_once(decision):
        start.wait()
        try:
            return promote(store, root, decision, reason="").source
        except RefusedError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(at_once, both))
    (winner,) = [word for word in said if word in (FULL, PUBLISHED)]
    assert champion_of(store).source == winner
    assert any("somebody else was first" in word for word in said)
    assert len(tagged_events(store.client)) == 1


def test_rolling_back_swaps_champion_and_previous(store, root, promoted, aliases):
    promoted("full", "published_full")
    event = rollback(store, root, reason="it drifts")
    assert (event.to_version, event.from_version, event.source) == ("pix2z/1", "pix2z/2", FULL)
    assert (event.action, event.reason) == ("rollback", "it drifts")
    assert event.metrics == {"crps": 0.01, "mae": 0.02}
    assert aliases() == {"champion": 1, "previous": 2}
    assert read_file(root).champion.source == FULL
    rollback(store, root, reason="")
    assert aliases() == {"champion": 2, "previous": 1}
    assert len(read_file(root).events) == 4


def test_there_may_be_nothing_to_roll_back_to(store, root, promoted, dump):
    with pytest.raises(RefusedError, match="pix2z has no champion yet; `pix2z promote` makes one"):
        rollback(store, root, reason="")
    promoted("full")
    before = dump()
    with pytest.raises(RefusedError, match="pix2z/1 has no previous champion to return to"):
        rollback(store, root, reason="")
    assert dump() == before


class Killed(BaseException):
    """What no code handles, as nothing handles SIGKILL."""


WRITES = (
    "create_registered_model",
    "copy_model_version",
    "set_model_version_tag",
    "set_registered_model_tag",
    "set_registered_model_alias",
)


def killed_after(patched, client, n):
    """Let the n-th write of a kind end the process; each alias is a kind of its own."""
    kinds = []

    def counting(name, write):
        def call(*arguments, **named):
            result = write(*arguments, **named)
            kind = (name, *arguments[1:2]) if name == "set_registered_model_alias" else name
            if kind not in kinds:
                kinds.append(kind)
                if len(kinds) == n:
                    raise Killed
            return result

        return call

    for name in WRITES:
        patched.setattr(client, name, counting(name, getattr(client, name)))


@pytest.mark.parametrize(
    ("made", "action", "before", "after", "kinds"),
    [
        ([], "full", None, FULL, 5),
        (["full"], "published_full", FULL, PUBLISHED, 5),
        (["full", "published_full"], "rollback", PUBLISHED, FULL, 3),
    ],
)
def test_after_a_kill_the_champion_stands_and_the_next_one_works(
    store, root, promoted, decide, monkeypatch, made, action, before, after, kinds
):
    """At each write; and whatever a kill left, the same action completes."""
    if made:
        promoted(*made)
    file = (root / FILE).read_text() if made else None
    for n in range(1, kinds + 1):
        shutil.copy(root / "mlflow.db", root / f"{n}.db")
        (root / FILE).unlink(missing_ok=True)
        if file:
            (root / FILE).write_text(file)
        uri = f"sqlite:///{root / f'{n}.db'}"
        copy = Store(MlflowClient(uri), uri, {})

        def act(reason, copy=copy):
            if action == "rollback":
                return rollback(copy, root, reason=reason)
            return promote(copy, root, decide(copy, action), reason=reason)

        with monkeypatch.context() as patched:
            killed_after(patched, copy.client, n)
            with pytest.raises(Killed):
                act("killed")
        champion, done = champion_of(copy), n == kinds  # the last write moves the champion
        assert (champion and champion.source) == (after if done else before)
        if done:
            record_trail(copy, root)
        else:
            act("again")
        goes_on(copy, root, after, before, len(made) + 1)


def goes_on(store, root, champion, previous, n):
    """Hold a store, in which n events took effect, against what it should be after a kill."""
    versions, trail = read_versions(store.client), read_trail(store.client, root)
    assert [with_alias(versions, CHAMPION).source, read_file(root).champion.source] == [
        champion, champion,
    ]  # fmt: skip
    assert n == 1 or with_alias(versions, PREVIOUS).source == previous
    sources = [version.source for version in versions if version.name == PRODUCTION]
    assert len(sources) == len(set(sources))  # no pool was copied twice
    became = outcomes(trail, champion_pool(store.client, root))
    assert became[-1] == "champion"
    assert len(became) - became.count("no effect") == n
    assert list(read_file(root).events) == [event.key for event in trail]


@pytest.mark.parametrize("lost", [None, "2"])
def test_a_previous_alias_that_was_lost_is_found_in_the_trail(store, root, promoted, aliases, lost):
    """A kill between the two aliases leaves `previous` on the champion itself."""
    promoted("full", "published_full")
    if lost:
        store.client.set_registered_model_alias(PRODUCTION, PREVIOUS, lost)
    else:
        store.client.delete_registered_model_alias(PRODUCTION, PREVIOUS)
    rollback(store, root, reason="")
    assert aliases() == {"champion": 1, "previous": 2}


def test_a_file_that_cannot_be_written_is_said_and_written_by_the_next_one(
    store, root, promoted, monkeypatch
):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pix2z.tracking.promotion.trail.write_json", full_disk)
        with pytest.raises(Exception, match="promotions.json: cannot be written .No space left"):
            promoted("full")
    assert champion_of(store).source == FULL
    record_trail(store, root)
    assert read_file(root).champion.source == FULL


def test_a_damaged_file_refuses_before_anything_is_written(store, root, decide, dump):
    (root / FILE).write_text("<<<<<<< HEAD\n")
    before = dump()
    with pytest.raises(InputError, match="promotions.json"):
        promote(store, root, decide(store, "full"), reason="")
    assert dump() == before


def test_a_previous_version_that_is_not_whole_is_not_returned_to(
    store, root, promoted, dump, registered
):
    promoted("full", "published_full")
    own_artifacts(registered, root)
    model = Path(store.client.get_model_version_download_uri("pix2z-full", "1"))
    assert model.is_relative_to(root)
    shutil.rmtree(model)
    before = dump()
    with pytest.raises(RefusedError, match="pix2z/1 cannot be served: pix2z/1: its artifacts are"):
        rollback(store, root, reason="")
    assert dump() == before


def test_a_reason_is_one_short_line():
    assert checked_reason("  because\n\tof \x1b[31mthis ") == "because of [31mthis"
    assert checked_reason("é" * MOST_REASON) == "é" * MOST_REASON
    with pytest.raises(InputError, match="at most 500 characters; got 501"):
        checked_reason("x" * (MOST_REASON + 1))


def test_a_user_without_a_name_is_a_number(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert who().startswith("uid ")
