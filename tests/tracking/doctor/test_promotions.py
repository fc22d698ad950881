"""What a promotion leaves that was killed after each of its writes."""

import os
import socket

import pytest
from pix2z.tracking.promotion.audit import Event, write_event
from pix2z.tracking.promotion.lock import promotion_lock
from pix2z.tracking.promotion.versions import LOCK

pytestmark = pytest.mark.usefixtures("without_data")


def promote(store, *, until: str = "champion") -> int:
    """Write as `promotion.production` does, and stop after one of the writes."""
    names = {model.name for model in store.search_registered_models()}
    if "pix2z" not in names:
        store.create_registered_model("pix2z")
    if until == "model":
        return 0
    before = store.get_registered_model("pix2z").aliases.get("champion")
    version = store.copy_model_version("models:/pix2z-full/1", "pix2z").version
    if until == "copy":
        return int(version)
    label = f"pix2z/{before}" if before else None
    event = Event("promote", "pix2z-full/1", label, f"pix2z/{version}", "somebody", "")
    write_event(store, event)
    if until == "event":
        return int(version)
    if before:
        store.set_registered_model_alias("pix2z", "previous", before)
    if until == "previous":
        return int(version)
    store.set_registered_model_alias("pix2z", "champion", version)
    return int(version)


def aliases(store) -> dict[str, int]:
    return {k: int(v) for k, v in store.get_registered_model("pix2z").aliases.items()}


def test_whole_promotions_are_no_faults(clinic, store):
    promote(store)
    promote(store)
    assert aliases(store) == {"champion": 2, "previous": 1}
    assert clinic.faults() == {}


def test_the_model_alone(clinic, store):
    promote(store, until="model")
    clinic.cure("a promotion was killed half-way: the production model has no version")
    assert "pix2z" not in {model.name for model in store.search_registered_models()}


@pytest.mark.parametrize("until", ["copy", "event"])
@pytest.mark.parametrize("has_champion", [False, True])
def test_a_copy_that_never_became_champion(clinic, store, until, has_champion):
    if has_champion:
        promote(store)
    number = promote(store, until=until)
    command = clinic.cure("a version of the production model never became champion")
    assert command.endswith(f"unpromoted/pix2z/{number}")
    left = {int(v.version) for v in store.search_model_versions("name = 'pix2z'")}
    assert left == ({1} if has_champion else set())
    if has_champion or until == "event":
        assert aliases(store) == ({"champion": 1} if has_champion else {})
        tags = store.get_registered_model("pix2z").tags
        assert len(tags) == has_champion + (until == "event")  # the history is never cut


def test_both_aliases_on_one_version(clinic, store):
    """The copy stays out of effect, and `previous` returns to what the history says."""
    promote(store)
    promote(store)
    promote(store, until="previous")
    assert aliases(store) == {"champion": 2, "previous": 2}
    faults = clinic.faults()
    assert len(faults) == 2
    for command in faults.values():
        clinic.run(command)
    assert clinic.faults() == {}
    assert aliases(store) == {"champion": 2, "previous": 1}


def test_the_first_champion_has_no_previous_one(clinic, store):
    promote(store)
    store.set_registered_model_alias("pix2z", "previous", "1")
    clinic.cure("a promotion was killed half-way: the champion is also the previous one")
    assert aliases(store) == {"champion": 1}


def hold_lock(store) -> None:
    """Take the lock in a process that is killed."""
    child = os.fork()
    if child == 0:
        with promotion_lock(store):
            os._exit(0)
    os.waitpid(child, 0)


def test_a_lock_that_a_killed_process_left(clinic, store):
    hold_lock(store)
    clinic.cure("a promotion was killed and left its lock")
    with promotion_lock(store):
        pass


def test_a_lock_that_is_held_is_no_fault(clinic, store):
    with promotion_lock(store):
        promote(store, until="copy")
        assert clinic.faults() == {}
        assert "a promotion is under way" in clinic.notes()


def test_a_lock_of_another_machine_is_left_only_when_it_is_old(clinic, store, monkeypatch):
    tags = {"host": f"not-{socket.gethostname()}", "pid": "1", "by": "somebody"}
    store.create_registered_model(LOCK, tags)
    assert "a promotion is under way" in clinic.notes()
    monkeypatch.setattr("pix2z.tracking.doctor.examination.time.time", lambda: 4e9)
    assert "a promotion was killed and left its lock" in clinic.faults()
