import logging
import os
import time

import pytest
from mlflow.exceptions import MlflowException

from pix2z.errors import RefusedError
from pix2z.tracking.promotion.lock import MAX_AGE, promotion_lock, who
from pix2z.tracking.promotion.versions import LOCK


def held(client):
    return [model.name for model in client.search_registered_models(f"name = '{LOCK}'")]


def later(seconds):
    return lambda: time.time() + seconds


def leave_behind(client):
    """Make the lock of a process that was killed."""
    tags = {"by": "ann", "host": "far", "pid": "7", "taken_at": "12:00", "token": "another"}
    client.create_registered_model(LOCK, tags)


def test_the_lock_is_there_within_and_gone_after(client):
    with promotion_lock(client) as still_held:
        still_held()
        tags = client.get_registered_model(LOCK).tags
        assert (tags["pid"], tags["by"]) == (str(os.getpid()), who())
    assert held(client) == []


def test_it_is_gone_after_an_error(client):
    with pytest.raises(ZeroDivisionError), promotion_lock(client):
        _ = 1 / 0
    assert held(client) == []


def test_a_second_one_is_refused_and_says_who_holds_it(client):
    with promotion_lock(client):
        with pytest.raises(
            RefusedError, match=f"under way.*process {os.getpid()}.*15 min"
        ) as caught:
            promotion_lock(client).__enter__()
        assert "\n" not in str(caught.value)
        assert held(client) == [LOCK]


@pytest.mark.parametrize(("age", "taken"), [(MAX_AGE - 30, False), (MAX_AGE + 30, True)])
def test_a_lock_left_behind_is_taken_over_after_its_age(client, caplog, age, taken):
    leave_behind(client)
    if not taken:
        with pytest.raises(RefusedError, match="in 1 min"):
            promotion_lock(client, clock=later(age)).__enter__()
        return
    with caplog.at_level(logging.WARNING), promotion_lock(client, clock=later(age)):
        assert "taking over the lock that ann on far, process 7, since 12:00 left" in caplog.text
    assert held(client) == []


def test_a_lock_left_behind_can_be_broken_at_once(client):
    leave_behind(client)
    with promotion_lock(client, break_lock=True):
        pass
    assert held(client) == []


def test_whoever_lost_the_lock_notices_and_leaves_the_new_one(client):
    with promotion_lock(client) as still_held:
        client.delete_registered_model(LOCK)
        leave_behind(client)
        with pytest.raises(RefusedError, match="taken over by"):
            still_held()
    assert held(client) == [LOCK]


def test_a_lock_that_is_gone_was_lost_too(client):
    with promotion_lock(client) as still_held:
        client.delete_registered_model(LOCK)
        with pytest.raises(RefusedError, match="somebody else"):
            still_held()


def test_a_lock_that_goes_away_meanwhile_can_be_taken(client, monkeypatch):
    """It is released between the failed attempt to create it and the look at its holder."""
    leave_behind(client)
    look = client.get_registered_model

    def released_just_now(name):
        monkeypatch.setattr(client, "get_registered_model", look)
        client.delete_registered_model(name)
        return look(name)

    monkeypatch.setattr(client, "get_registered_model", released_just_now)
    with promotion_lock(client):
        pass
    assert held(client) == []


def test_a_store_that_fails_is_not_taken_for_a_lock(client, monkeypatch):
    def fail(*_, **__):
        raise MlflowException("out of space")

    monkeypatch.setattr(client, "create_registered_model", fail)
    with pytest.raises(MlflowException, match="out of space"):
        promotion_lock(client).__enter__()


def test_a_release_that_fails_does_not_hide_the_error_before_it(client, monkeypatch, caplog):
    def fail(*_, **__):
        raise MlflowException("gone")

    def interrupted():
        with promotion_lock(client):
            monkeypatch.setattr(client, "get_registered_model", fail)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert "could not be removed: gone" in caplog.text


def test_a_user_without_a_name_is_a_number(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert who() == f"uid {os.getuid()}"
