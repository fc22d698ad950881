import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.tracking.promotion.audit import (
    EVENT,
    Event,
    metrics_of,
    outcomes,
    predecessor,
    read_events,
    write_event,
)


def event(before, after, *, action="promote", **more):
    return Event(action, "pix2z-full/1", before, after, "me", "because", **more)


def test_what_is_written_is_read_in_order(client):
    assert read_events(client) == []
    client.create_registered_model("pix2z")
    written = [
        write_event(client, event(None, "pix2z/1", metrics={"crps": 0.01}, digests={"a": "b"})),
        write_event(client, event("pix2z/1", "pix2z/2", new_test_set=True)),
    ]
    assert read_events(client) == written
    assert [e.number for e in written] == [1, 2]
    assert all(e.key.startswith(EVENT) and e.time.endswith("+00:00") for e in written)


def test_a_clock_behind_does_not_turn_the_order(client):
    client.create_registered_model("pix2z")
    for number, time in ((1, "2026-02-01"), (2, "2026-01-01")):
        said = {"action": "promote", "source": "s", "from_version": None, "to_version": "t"}
        said |= {"user": "u", "reason": "", "time": time, "number": number}
        client.set_registered_model_tag("pix2z", f"{EVENT}{time}", json.dumps(said))
    assert [e.number for e in read_events(client)] == [1, 2]


@pytest.mark.parametrize("value", ["not JSON", "[]", "{}", "3", '{"action": "promote"}'])
def test_tags_that_somebody_else_wrote_are_passed_over(client, value):
    client.create_registered_model("pix2z", {f"{EVENT}by.hand": value, "owner": "me"})
    assert read_events(client) == []


def test_an_event_fits_into_a_tag_of_any_store(client):
    """A registered model's tag holds 5,000 characters where the database is strict."""
    client.create_registered_model("pix2z")
    digests = {f"digest_{place}": "0" * 64 for place in range(6)}
    metrics = {f"metric_{place}": 0.12345678901234567 for place in range(10)}
    written = write_event(
        client, Event("promote", "s" * 250, "f" * 250, "t" * 250, "u" * 100, "r" * 500,
                            metrics, digests)
    )  # fmt: skip
    tags = client.get_registered_model("pix2z").tags
    assert len(tags[written.key]) < 5000


def test_what_became_of_each_event():
    trail = [
        event(None, "pix2z/1"),
        event("pix2z/1", "pix2z/2"),  # killed
        event("pix2z/1", "pix2z/3"),
        event("pix2z/3", "pix2z/1", action="rollback"),
    ]
    assert outcomes(trail, "pix2z/1") == ["replaced", "no effect", "replaced", "champion"]
    assert outcomes(trail, "pix2z/3")[-1] == "no effect"
    assert outcomes([], None) == []
    assert outcomes(trail[:1], None) == ["no effect"]


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=12))
def test_outcomes_and_predecessor_follow_any_history(moves):
    """Events to versions 1 to 4, each of which took effect or was killed before it did."""
    champion, before, trail, effective = None, {}, [], []
    for to, took_effect in moves:
        label = f"pix2z/{to}"
        if label == champion:
            continue  # neither a promotion nor a rollback goes to the champion
        trail.append(event(champion, label))
        effective.append(took_effect)
        if took_effect:
            before[label] = champion
            champion = label
    found = outcomes(trail, champion)
    assert [outcome != "no effect" for outcome in found] == effective
    assert found.count("champion") == int(bool(effective) and effective[-1])
    if champion is not None:
        assert predecessor(trail, champion) == before[champion]


def test_the_metrics_of_a_version_are_those_it_was_last_promoted_with():
    trail = [
        event(None, "pix2z/1", metrics={"crps": 1.0}),
        event("pix2z/1", "pix2z/2", metrics={"crps": 2.0}),
        event("pix2z/2", "pix2z/1", metrics={"crps": 3.0}),
        event("pix2z/1", "pix2z/2"),
    ]
    assert metrics_of(trail, "pix2z/1") == {"crps": 3.0}
    assert metrics_of(trail, "pix2z/2") == {"crps": 2.0}
    assert metrics_of(trail, "pix2z/9") == {}
