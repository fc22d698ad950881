import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.errors import InputError
from pix2z.tracking.promotion.trail import (
    EVENT,
    FILE,
    Event,
    Place,
    champion_at,
    champion_pool,
    dated,
    metrics_of,
    outcomes,
    predecessor,
    read_trail,
    tag_event,
    tagged_events,
    way_back,
    write_file,
)
from pix2z.tracking.versions import Version
from tests.tracking.conftest import git


def version(number, pool=None):
    tags = {"pool_digest": pool or f"pool{number}", "source": f"pix2z-full/{number}"}
    return Version("pix2z", number, "run", 0.0, tags)


def event(before, after, *, action="promote", **more):
    """From version `before` of pix2z to version `after`; the pool of version 1 is pool1."""
    said = {
        "action": action,
        "source": "pix2z-full/1",
        "from_version": before,
        "to_version": after,
        "user": "me",
        "reason": "because",
        "digests": {"pool_digest": f"pool{after.partition('/')[2]}"},
        "from_pool": f"pool{before.partition('/')[2]}" if before else "",
    }
    return Event(**said | more)


def write_event(client, said, trail):
    written = dated(said, trail)
    tag_event(client, written)
    return written


def test_what_is_written_is_read_in_order(client, root):
    assert read_trail(client, root) == []
    client.create_registered_model("pix2z")
    first = write_event(client, event(None, "pix2z/1", metrics={"crps": 0.01}), [])
    second = write_event(client, event("pix2z/1", "pix2z/2", new_test_set=True), [first])
    assert read_trail(client, root) == tagged_events(client) == [first, second]
    assert [e.number for e in (first, second)] == [1, 2]
    assert all(e.key.startswith(EVENT) and e.time.endswith("+00:00") for e in (first, second))


def test_tags_and_file_are_merged_by_the_key_of_the_event(client, root):
    client.create_registered_model("pix2z")
    first = write_event(client, event(None, "pix2z/1"), [])
    second = write_event(client, event("pix2z/1", "pix2z/2"), [first])
    write_file(root, [first, second], champion=version(2), previous=version(1))
    assert read_trail(client, root) == [first, second]
    client.delete_registered_model_tag("pix2z", first.key)  # only the file has it now
    third = write_event(client, event("pix2z/2", "pix2z/3"), [first, second])
    assert read_trail(client, root) == [first, second, third]
    client.delete_registered_model("pix2z")
    assert read_trail(client, root) == [first, second]


def test_the_file_is_the_same_text_for_the_same_trail_and_is_not_written_again(client, root):
    trail = [event(None, "pix2z/1", key="event.1", time="2026-01-01T00:00:00+00:00", number=1)]
    write_file(root, trail, champion=version(1), previous=None)
    text, made = (root / FILE).read_text(), (root / FILE).stat().st_mtime_ns
    said = json.loads(text)
    assert said["champion"] == {
        "version": "pix2z/1", "source": "pix2z-full/1", "pool_digest": "pool1",
    }  # fmt: skip
    assert said["previous"] is None
    assert said["events"]["event.1"]["reason"] == "because"
    write_file(root, read_trail(client, root), champion=version(1), previous=None)
    assert (root / FILE).stat().st_mtime_ns == made


def test_a_clock_behind_does_not_turn_the_order(client, root):
    client.create_registered_model("pix2z")
    for number, time in ((1, "2026-02-01"), (2, "2026-01-01")):
        said = {"action": "promote", "source": "s", "from_version": None, "to_version": "t"}
        said |= {"user": "u", "reason": "", "time": time, "number": number}
        client.set_registered_model_tag("pix2z", f"{EVENT}{time}", json.dumps(said))
    assert [e.number for e in read_trail(client, root)] == [1, 2]


@pytest.mark.parametrize("value", ["not JSON", "[]", "{}", "3", '{"action": "promote"}'])
def test_tags_that_somebody_else_wrote_are_passed_over(client, root, value):
    client.create_registered_model("pix2z", {f"{EVENT}by.hand": value, "owner": "me"})
    assert read_trail(client, root) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<<<<<<< HEAD\n{}", "promotions.json: not valid JSON"),
        ("[]", "all of it: .*; not what pix2z wrote"),
        ('{"events": {}, "champion": {"version": "pix2z/1"}}', "champion.pool_digest: Field requ"),
        ('{"events": {"event.1": {"action": "promote"}}}', "events.event.1.source: Field required"),
    ],
)
def test_a_damaged_file_is_one_line(client, root, text, words):
    (root / FILE).write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_trail(client, root)
    assert "\n" not in str(caught.value)


def test_an_event_fits_into_a_tag_of_any_store(client):
    """A registered model's tag holds 5,000 characters where the database is strict."""
    client.create_registered_model("pix2z")
    longest = event("f" * 250, "t" * 250, from_pool="0" * 64).model_copy(
        update={
            "source": "s" * 250,
            "user": "u" * 100,
            "reason": "r" * 500,
            "metrics": {f"metric_{place}": 0.12345678901234567 for place in range(10)},
            "digests": {f"digest_{place}": "0" * 64 for place in range(6)},
        }
    )
    written = write_event(client, longest, [])
    assert len(client.get_registered_model("pix2z").tags[written.key]) < 5000


TRAIL = [
    event(None, "pix2z/1", time="2026-01-01T12:00:00+00:00"),
    event("pix2z/1", "pix2z/2", time="2026-01-02T12:00:00+00:00"),  # killed
    event("pix2z/1", "pix2z/3", time="2026-01-03T12:00:00+00:00"),
    event("pix2z/3", "pix2z/1", time="2026-01-04T12:00:00+00:00", action="rollback"),
]


def test_what_became_of_each_event():
    assert outcomes(TRAIL, "pool1") == ["replaced", "no effect", "replaced", "champion"]
    assert outcomes(TRAIL, "pool3")[-1] == "no effect"
    assert outcomes([], "") == []
    assert outcomes(TRAIL[:1], "") == ["no effect"]


def test_a_champion_is_known_by_its_pool_after_its_versions_were_numbered_anew():
    """A rebuilt store calls the pool of pix2z/3 pix2z/1."""
    later = event("pix2z/1", "pix2z/2", from_pool="pool3")
    trail = [*TRAIL[:3], later]
    assert outcomes(trail, "pool2") == ["replaced", "no effect", "replaced", "champion"]
    assert predecessor(trail, version(2)) == "pool3"


@pytest.mark.parametrize(
    ("day", "to"), [(1, None), (2, "pix2z/1"), (3, "pix2z/1"), (4, "pix2z/3"), (5, "pix2z/1")]
)
def test_who_was_champion_then(day, to):
    then = champion_at(TRAIL, outcomes(TRAIL, "pool1"), datetime(2026, 1, day, tzinfo=UTC))
    assert (then and then.to_version) == to


def test_a_store_that_lacks_the_champion_leaves_it_to_the_file(client, root):
    """As one that was made anew, where the champion's pool is gone."""
    assert champion_pool(client, root) == ""
    write_file(root, TRAIL, champion=version(1), previous=version(3))
    assert champion_pool(client, root) == "pool1"
    client.create_registered_model("pix2z")
    client.create_model_version("pix2z", str(root), tags={"pool_digest": "another"})
    client.set_registered_model_alias("pix2z", "champion", "1")
    assert champion_pool(client, root) == "another"


def test_the_way_back_of_a_pool_is_a_commit_that_has_it_in_its_lock(root):
    """The commit of the code is older than the results, so nothing is to be checked out by it."""
    pool = Place(pool_digest="pool1")
    coded = Place(pool_digest="pool1", git_commit="0123456789abcdef")
    assert (
        way_back(root, pool)
        == "once it is in models/ again, `dvc repro -s register` brings it back"
    )
    assert "code is that of commit 0123456789ab; in a later one" in way_back(root, coded)
    git(root, "init")
    (root / FILE).write_text("pool1")
    git(root, "add", FILE)
    git(root, "commit", "-m", "promoted")
    promoted = git(root, "rev-parse", "HEAD")
    git(root, "commit", "--allow-empty", "-m", "later")
    commands = f"`git checkout {promoted[:12]}`, `dvc pull` and `dvc repro -s register`"
    assert way_back(root, coded).startswith(commands)
    finetuned = way_back(root, coded.model_copy(update={"base_pool_digest": "base"}))
    assert "dvc pull" not in finetuned
    assert finetuned.endswith("or repeat pix2z finetune")


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=12))
def test_outcomes_and_predecessor_follow_any_history(moves):
    """Events to versions 1 to 4, each of which took effect or not."""
    champion, before, trail, effective = None, {}, [], []
    for to, took_effect in moves:
        if to == champion:
            continue  # neither a promotion nor a rollback goes to the champion
        trail.append(event(champion and f"pix2z/{champion}", f"pix2z/{to}"))
        effective.append(took_effect)
        if took_effect:
            before[to] = champion
            champion = to
    became = outcomes(trail, f"pool{champion}" if champion else "")
    assert [outcome != "no effect" for outcome in became] == effective
    assert became.count("champion") == int(bool(effective) and effective[-1])
    if champion is not None:
        expected = before[champion]
        assert predecessor(trail, version(champion)) == (f"pool{expected}" if expected else "")


def test_the_metrics_of_a_version_are_those_it_was_last_promoted_with():
    trail = [
        event(None, "pix2z/1", metrics={"crps": 1.0}),
        event("pix2z/1", "pix2z/2", metrics={"crps": 2.0}),
        event("pix2z/2", "pix2z/1", metrics={"crps": 3.0}),
        event("pix2z/1", "pix2z/2"),
    ]
    assert metrics_of(trail, version(1)) == {"crps": 3.0}
    assert metrics_of(trail, version(2)) == {"crps": 2.0}
    assert metrics_of(trail, version(9)) == {}
