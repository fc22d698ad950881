"""The audit trail: every promotion and rollback, in the registry and in promotions.json.

MLflow keeps no history of aliases. An event is written once, as a tag of the registered model
`pix2z`, before the aliases move, and is never changed; whether it took effect follows from the
events after it and from the champion of today. After the aliases moved, `promote` and `rollback`
write the whole trail to promotions.json in the root of the repository, to be committed to git,
together with the pools of champion and previous: a store that is lost is given them back from
there (`restoring.py`). Readers merge tags and file by the key of the event.

Versions are numbered anew in a store that was rebuilt, so a champion is known by the digest of its
pool.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, Pix2zError
from pix2z.files import read_json, write_json
from pix2z.tracking.commits import first_commit_with
from pix2z.tracking.versions import CHAMPION, PREVIOUS, PRODUCTION, Version

__all__ = [
    "EVENT",
    "FILE",
    "Event",
    "champion_at",
    "commit_that_names",
    "event_json",
    "metrics_of",
    "outcomes",
    "predecessor",
    "read_file",
    "read_trail",
    "recorded_events",
    "tag_event",
    "tagged_events",
    "write_event",
    "write_file",
]

EVENT = "event."
"""Start of the key of an event; time and a short random id follow."""

FILE = "promotions.json"
"""Name of the file in the root of the repository."""


@dataclass(frozen=True)
class Event:
    """One promotion or rollback."""

    action: str
    """``promote`` or ``rollback``."""
    source: str
    """The version of an arm that `to_version` is a copy of, as ``pix2z-full/3``."""
    from_version: str | None
    """The champion before, as ``pix2z/1``."""
    to_version: str
    user: str
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of `to_version`: pool_digest, test_digest, ..., and the git commit."""
    new_test_set: bool = False
    """A new line: not compared with the champion before."""
    time: str = ""
    """UTC, ISO 8601."""
    number: int = 0
    """Place in the trail, from 1; clocks of several machines may differ."""
    from_pool: str = ""
    """Digest of the pool of the champion before; older events do not have it."""
    key: str = ""

    @property
    def to_pool(self) -> str:
        """Digest of the pool that became champion, else its version."""
        return self.digests.get("pool_digest", self.to_version)


def read_trail(client: MlflowClient, root: Path) -> list[Event]:
    """Read the trail of the registry and of promotions.json together, the oldest event first.

    Raises
    ------
    InputError
        promotions.json is damaged.
    """
    events = {event.key: event for event in (*recorded_events(root), *tagged_events(client))}
    return sorted(events.values(), key=lambda e: (e.number, e.time, e.key))


def tagged_events(client: MlflowClient) -> list[Event]:
    """Events that the registry holds; none where nothing was ever promoted.

    Tags that somebody wrote by hand are passed over.
    """
    try:
        tags = client.get_registered_model(PRODUCTION).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return []
    events = []
    for key, text in tags.items():
        if key.startswith(EVENT):
            try:
                events.append(_event(key, json.loads(text)))
            except (ValueError, TypeError, AttributeError):
                continue
    return events


def recorded_events(root: Path) -> list[Event]:
    """Events that promotions.json holds; none where it is missing. InputError: it is damaged."""
    return [_from_file(root, key, said) for key, said in read_file(root)["events"].items()]


def read_file(root: Path) -> dict[str, Any]:
    """Return what promotions.json holds: ``champion``, ``previous``, ``events`` by key.

    Raises
    ------
    InputError
        It is not what `write_file` wrote, as after a merge with conflicts.
    """
    path = root / FILE
    if not path.is_file():
        return {CHAMPION: None, PREVIOUS: None, "events": {}}
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("events"), dict):
        raise InputError(f"{path}: expected the keys {CHAMPION}, {PREVIOUS} and events")
    for alias in (CHAMPION, PREVIOUS):
        place = content.setdefault(alias, None)
        if place is not None and not (isinstance(place, dict) and "pool_digest" in place):
            raise InputError(f"{path}: {alias} must name a pool_digest, or be null")
    return content


def commit_that_names(root: Path, pool_digest: str) -> str:
    """Return the first commit whose promotions.json names a pool; empty where there is none.

    Results are committed before they are promoted, or with the promotion, so that dvc.lock holds
    the pool there. The tag git_commit of a version is older: the commit of the code that made it.
    """
    return first_commit_with(root, pool_digest, path=FILE)


def _from_file(root: Path, key: str, said: Any) -> Event:
    try:
        return _event(key, said)
    except (TypeError, AttributeError) as error:
        raise InputError(f"{root / FILE}: {key} is no promotion or rollback") from error


def _event(key: str, said: Any) -> Event:
    known = {name: value for name, value in said.items() if name in Event.__dataclass_fields__}
    return replace(Event(**known), key=key)


def event_json(event: Event) -> dict[str, Any]:
    """Return what is written of an event, under its key."""
    return {name: value for name, value in asdict(event).items() if name != "key"}


def write_event(client: MlflowClient, event: Event, trail: Sequence[Event]) -> Event:
    """Add an event to the registry, with its time and number; return it as written.

    Parameters
    ----------
    trail : the events before it.
    """
    now = datetime.now(UTC)
    key = f"{EVENT}{now.strftime('%Y%m%dT%H%M%S.%fZ')}.{uuid4().hex[:6]}"
    number = max((e.number for e in trail), default=0) + 1
    event = replace(event, time=now.isoformat(timespec="seconds"), number=number, key=key)
    tag_event(client, event)
    return event


def tag_event(client: MlflowClient, event: Event) -> None:
    """Write an event as a tag of `pix2z`."""
    text = json.dumps(event_json(event), ensure_ascii=False)
    client.set_registered_model_tag(PRODUCTION, event.key, text)


def write_file(
    root: Path, trail: Sequence[Event], *, champion: Version | None, previous: Version | None
) -> None:
    """Write promotions.json, whole or not at all; nothing where it says the same already.

    Raises
    ------
    Pix2zError
        It cannot be written.
    """
    content = {
        CHAMPION: _place(champion),
        PREVIOUS: _place(previous),
        "events": {event.key: event_json(event) for event in trail},
    }
    if content == read_file(root):
        return
    try:
        write_json(root / FILE, content)
    except OSError as error:
        raise Pix2zError(
            f"{root / FILE}: cannot be written ({error.strerror}); the registry has the promotion, "
            "and the next `pix2z promote` writes the file"
        ) from error


def _place(version: Version | None) -> dict[str, str] | None:
    if version is None:
        return None
    tags = ("pool_digest", "git_commit")
    return {
        "version": version.label,
        "source": version.source,
        **{key: version.tags[key] for key in tags if key in version.tags},
    }


def _pools_before(events: Sequence[Event]) -> list[str]:
    """Digest of the champion's pool before each event; empty where there was none.

    Older events have the champion's version only: its pool is known from the event that made it.
    """
    pool_of_version: dict[str | None, str] = {None: ""}
    before = []
    for event in events:
        by_version = pool_of_version.get(event.from_version, event.from_version or "")
        before.append(event.from_pool or by_version)
        pool_of_version[event.to_version] = event.to_pool
    return before


def outcomes(events: Sequence[Event], champion: Version | None) -> list[str]:
    """Say what became of each event: ``champion``, ``replaced`` or ``no effect``.

    An event took effect where the next one starts from its pool or, for the last, where that is
    the champion's now. No effect: killed before its last write, or undone by hand.
    """
    now = _names(champion) if champion else set()
    before, became = _pools_before(events), []
    for place, event in enumerate(events, start=1):
        last = place == len(events)
        after = now if last else {before[place]}
        in_effect = "champion" if last else "replaced"
        became.append(in_effect if event.to_pool in after else "no effect")
    return became


def _names(version: Version) -> set[str]:
    """Return what `Event.to_pool` may call a version: its pool, or itself in older events."""
    return {version.pool_digest, version.label}


def champion_at(
    events: Sequence[Event], champion: Version | None, moment: datetime
) -> Event | None:
    """Return the promotion or rollback that made the champion of that moment, if there was one."""
    effective = [
        event
        for event, outcome in zip(events, outcomes(events, champion), strict=True)
        if outcome != "no effect" and datetime.fromisoformat(event.time) <= moment
    ]
    return effective[-1] if effective else None


def predecessor(events: Sequence[Event], champion: Version) -> str | None:
    """Return the pool that was champion before `champion` became it, by the trail."""
    before = [
        pool
        for event, pool in zip(events, _pools_before(events), strict=True)
        if event.to_pool in _names(champion)
    ]
    return before[-1] if before and before[-1] else None


def metrics_of(events: Sequence[Event], version: Version) -> Mapping[str, float]:
    """Return what a version reached when it was last promoted; empty where that is not recorded."""
    recorded = [e.metrics for e in events if e.to_pool in _names(version) and e.metrics]
    return recorded[-1] if recorded else {}
