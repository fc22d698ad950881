"""A store that was lost gets its champion back from promotions.json."""

import json
import logging
import sqlite3

import pytest

from pix2z.tracking.promotion.production import promote, rollback
from pix2z.tracking.promotion.restoring import restore_aliases
from pix2z.tracking.promotion.trail import (
    FILE,
    champion_pool,
    outcomes,
    read_trail,
    tagged_events,
)
from pix2z.tracking.register import register
from pix2z.tracking.store import open_store
from pix2z.tracking.versions import CHAMPION, PREVIOUS, read_versions, with_alias
from tests.tracking.conftest import take_over_store

FULL, PUBLISHED = "pix2z-full/1", "pix2z-published_full/1"


@pytest.fixture
def anew(root, monkeypatch):
    """Return what opens a store as that of the repository: a copy of the one in a folder."""

    def opened(folder):
        (root / "anew").mkdir()
        take_over_store(folder, root / "anew")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'anew/mlflow.db'}")
        return open_store()

    return opened


@pytest.fixture
def lost(store, root, decide, registered, anew):
    """Promote both arms, and full again; then lose the store: it holds both arms, registered."""
    for model in ("full", "published_full"):
        promote(store, root, decide(store, model), reason=f"for {model}")
    rollback(store, root, reason="it drifts")
    return anew(registered)


AS_BEFORE = {"champion": FULL, "previous": PUBLISHED}


@pytest.fixture
def held(root):
    """Return what a store holds, and promotions.json, as text."""

    def everything(name):
        with sqlite3.connect(root / name) as connection:
            return [*connection.iterdump(), (root / FILE).read_text()]

    return everything


def now(store):
    versions = read_versions(store.client)
    found = {alias: with_alias(versions, alias) for alias in (CHAMPION, PREVIOUS)}
    return {alias: version and version.source for alias, version in found.items()}


def became(store, root):
    return outcomes(read_trail(store.client, root), champion_pool(store.client, root))


def test_aliases_and_events_are_as_before_and_the_file_is_only_read(lost, root):
    text = (root / FILE).read_text()
    restore_aliases(lost, root)
    assert now(lost) == AS_BEFORE
    assert (root / FILE).read_text() == text
    assert tagged_events(lost.client) == read_trail(lost.client, root)
    assert became(lost, root) == ["replaced", "replaced", "champion"]
    champion = with_alias(read_versions(lost.client), CHAMPION)
    assert champion.tags["reason"] == "it drifts"
    assert rollback(lost, root, reason="").source == PUBLISHED  # and it goes on as before
    assert became(lost, root) == ["replaced", "replaced", "replaced", "champion"]


def test_a_store_with_a_champion_is_left_alone_and_another_in_the_file_is_told(
    store, root, decide, dump, caplog
):
    promote(store, root, decide(store, "full"), reason="")
    restore_aliases(store, root)
    assert caplog.text == ""
    file = json.loads((root / FILE).read_text())
    file["champion"] |= {"pool_digest": "another", "source": PUBLISHED}
    (root / FILE).write_text(json.dumps(file))
    before = dump()
    restore_aliases(store, root)
    assert dump() == before
    (warning,) = caplog.messages
    assert warning.startswith("the champion is pix2z-full/1 (pool pool-member-")
    assert "but promotions.json names pix2z-published_full/1 (pool another)" in warning


def test_without_a_file_nothing_happens(store, root, dump):
    before = dump()
    restore_aliases(store, root)
    assert dump() == before


@pytest.mark.parametrize(
    ("tags", "way"),
    [
        ({"git_commit": "0123456789abcdef"}, "its code is that of commit 0123456789ab; in a later"),
        ({"base_pool_digest": "base"}, "DVC does not hold fine-tuned models"),
    ],
)
def test_a_champion_whose_pool_is_gone_moves_no_alias_and_the_way_back_is_said(
    lost, root, held, caplog, tags, way
):
    file = json.loads((root / FILE).read_text())
    file["champion"] |= {"pool_digest": "gone", **tags}
    (root / FILE).write_text(json.dumps(file))
    before = held("anew/mlflow.db")
    with caplog.at_level(logging.WARNING):
        restore_aliases(lost, root)
    assert held("anew/mlflow.db") == before
    assert "names the champion pix2z-full/1 (pool gone), whose pool is not here now" in caplog.text
    assert way in caplog.text


def test_a_previous_champion_that_is_gone_does_not_hold_the_champion_back(lost, root, caplog):
    file = json.loads((root / FILE).read_text())
    file["previous"]["pool_digest"] = "gone"
    (root / FILE).write_text(json.dumps(file))
    restore_aliases(lost, root)
    assert now(lost) == {"champion": FULL, "previous": None}
    assert "names a previous champion that is not registered here" in caplog.text


def test_register_finds_versions_that_are_numbered_anew_by_their_pool(
    root, arms, retrain, empty_database, decide, anew
):
    """The champion was pix2z-full/2, whose pool alone is in models/."""
    register(root, arms)
    retrain("full", 1, b"another")
    register(root, arms)
    store = open_store()
    promote(store, root, decide(store, "full/1"), reason="")
    promote(store, root, decide(store, "full/2"), reason="")
    store = anew(empty_database.parent)
    register(root, arms)  # which restores aliases itself
    assert now(store) == {"champion": FULL, "previous": None}
    assert became(store, root) == ["replaced", "champion"]


@pytest.mark.parametrize(
    "write", ["copy_model_version", "set_registered_model_tag", "set_registered_model_alias"]
)
def test_a_kill_in_between_leaves_no_champion_and_the_next_one_goes_on(
    lost, root, monkeypatch, write
):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lost.client, write, killed)
        with pytest.raises(KeyboardInterrupt):
            restore_aliases(lost, root)
    assert now(lost)[CHAMPION] is None
    restore_aliases(lost, root)
    assert now(lost) == AS_BEFORE
    assert len([v for v in read_versions(lost.client) if v.name == "pix2z"]) == 2
    assert len(tagged_events(lost.client)) == 3
