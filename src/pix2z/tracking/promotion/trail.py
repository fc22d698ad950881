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
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pix2z.errors import InputError, Pix2zError
from pix2z.files import read_json, write_json
from pix2z.tracking.commits import first_commit_with
from pix2z.tracking.versions import (
    CHAMPION,
    PREVIOUS,
    PRODUCTION,
    Version,
    read_versions,
    with_alias,
)

__all__ = [
    "EVENT",
    "FILE",
    "Event",
    "Place",
    "Promotions",
    "champion_at",
    "champion_pool",
    "dated",
    "metrics_of",
    "outcomes",
    "place",
    "predecessor",
    "read_file",
    "read_trail",
    "tag_event",
    "tagged_events",
    "way_back",
    "write_file",
]

EVENT = "event."
"""Start of the key of an event; time and a short random id follow."""

FILE = "promotions.json"
"""Name of the file in the root of the repository."""


class Event(BaseModel):
    """One promotion or rollback."""

    model_config = ConfigDict(frozen=True)

    action: str
    """``promote`` or ``rollback``."""
    source: str
    """The version of an arm that `to_version` is a copy of, as ``pix2z-full/3``."""
    from_version: str | None
    """The champion before, as ``pix2z/1``."""
    to_version: str
    user: str
    reason: str
    metrics: Mapping[str, float] = {}
    digests: Mapping[str, str] = {}
    """Of `to_version`: pool_digest, test_digest, ..., and the git commit."""
    new_test_set: bool = False
    """A new line: not compared with the champion before."""
    small_test_set: bool = False
    """Too few test galaxies to judge whether CRPS is within the margin of the champion's."""
    time: str = ""
    """UTC, ISO 8601."""
    number: int = 0
    """Place in the trail, from 1; clocks of several machines may differ."""
    from_pool: str = ""
    """Digest of the pool of the champion before; empty where there was none."""
    key: str = Field(default="", exclude=True)
    """What it is stored under."""

    @property
    def to_pool(self) -> str:
        """Digest of the pool that became champion."""
        return self.digests.get("pool_digest", "")


class Place(BaseModel):
    """The version that an alias is on, as promotions.json has it."""

    model_config = ConfigDict(frozen=True)

    version: str = ""
    source: str = "the champion"
    pool_digest: str
    git_commit: str | None = None
    base_pool_digest: str | None = None
    """Of a fine-tuned pool."""


class Promotions(BaseModel):
    """What promotions.json holds."""

    model_config = ConfigDict(frozen=True)

    champion: Place | None = None
    previous: Place | None = None
    events: Mapping[str, Event]


def read_trail(client: MlflowClient, root: Path) -> list[Event]:
    """Read the trail of the registry and of promotions.json together, the oldest event first.

    Raises
    ------
    InputError
        promotions.json is damaged.
    """
    events = {
        key: event.model_copy(update={"key": key}) for key, event in read_file(root).events.items()
    }
    events |= {event.key: event for event in tagged_events(client)}
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
            with suppress(ValidationError):
                events.append(Event.model_validate_json(text).model_copy(update={"key": key}))
    return events


def read_file(root: Path) -> Promotions:
    """Read promotions.json; nothing was promoted where it is missing.

    Raises
    ------
    InputError
        It is not what `write_file` wrote, as after a merge with conflicts.
    """
    path = root / FILE
    if not path.is_file():
        return Promotions(events={})
    try:
        return Promotions.model_validate(read_json(path))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "all of it"
        raise InputError(f"{path}: {where}: {fault['msg']}; not what pix2z wrote") from error


def dated(event: Event, trail: Sequence[Event]) -> Event:
    """Return an event of now with its time, and the number and key that follow on the trail."""
    now = datetime.now(UTC)
    known = {
        "time": now.isoformat(timespec="seconds"),
        "number": max((e.number for e in trail), default=0) + 1,
        "key": f"{EVENT}{now.strftime('%Y%m%dT%H%M%S.%fZ')}.{uuid4().hex[:6]}",
    }
    return event.model_copy(update=known)


def tag_event(client: MlflowClient, event: Event) -> None:
    """Write an event as a tag of `pix2z`."""
    text = json.dumps(event.model_dump(), ensure_ascii=False)
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
    places = {CHAMPION: champion, PREVIOUS: previous}
    content = {
        **{
            alias: place(version).model_dump(exclude_none=True) if version else None
            for alias, version in places.items()
        },
        "events": {event.key: event.model_dump() for event in trail},
    }
    if (root / FILE).is_file() and content == read_json(root / FILE):
        return
    try:
        write_json(root / FILE, content)
    except OSError as error:
        raise Pix2zError(
            f"{root / FILE}: cannot be written ({error.strerror}); the registry has the promotion, "
            "and the next `pix2z promote` writes the file"
        ) from error


def place(version: Version) -> Place:
    """Return what promotions.json says of the version that an alias is on."""
    return Place(
        version=version.label,
        source=version.source,
        pool_digest=version.pool_digest,
        git_commit=version.tags.get("git_commit"),
        base_pool_digest=version.tags.get("base_pool_digest"),
    )


def way_back(root: Path, recorded: Place) -> str:
    """Say how a pool that is not here comes back, so that it can be registered again.

    Results are committed before they are promoted, or with the promotion, so the first commit whose
    promotions.json names the pool has it in dvc.lock. The tag git_commit is older: that is the code
    that made it. A fine-tuned pool is in no commit.
    """
    register = "`dvc repro -s register`"
    if recorded.base_pool_digest:
        return (
            f"DVC does not hold fine-tuned models, so put its folder back into finetuned/ for "
            f"{register}, or repeat pix2z finetune"
        )
    if commit := first_commit_with(root, recorded.pool_digest, path=FILE):
        return (
            f"`git checkout {commit[:12]}`, `dvc pull` and {register} bring it back; afterwards "
            f"`git checkout -`, `dvc checkout` and {register}"
        )
    if recorded.git_commit:
        return (
            f"its code is that of commit {recorded.git_commit[:12]}; in a later one whose dvc.lock "
            f"holds it, `dvc pull` and {register} bring it back"
        )
    return f"once it is in models/ again, {register} brings it back"


def champion_pool(client: MlflowClient, root: Path) -> str:
    """Return the digest of the champion's pool; empty where there is no champion.

    Where the store has none, as one that was made anew without its pool, promotions.json names it.
    """
    if version := with_alias(read_versions(client), CHAMPION):
        return version.pool_digest
    recorded = read_file(root).champion
    return recorded.pool_digest if recorded else ""


def outcomes(events: Sequence[Event], champion: str) -> list[str]:
    """Say what became of each event: ``champion``, ``replaced`` or ``no effect``.

    An event took effect where the next one starts from its pool or, for the last, where that is
    the champion's now. No effect: killed before its last write, or undone by hand.

    Parameters
    ----------
    champion : digest of the pool, as `champion_pool` returns it.
    """
    pools_after = [*(event.from_pool for event in events[1:]), champion]
    became = [
        "replaced" if event.to_pool == after else "no effect"
        for event, after in zip(events, pools_after, strict=False)
    ]
    if became and became[-1] == "replaced":
        became[-1] = "champion"
    return became


def champion_at(events: Sequence[Event], outcomes: Sequence[str], moment: datetime) -> Event | None:
    """Return the promotion or rollback that made the champion of that moment, if there was one.

    Parameters
    ----------
    outcomes : what became of each event.
    """
    effective = [
        event
        for event, outcome in zip(events, outcomes, strict=True)
        if outcome != "no effect" and datetime.fromisoformat(event.time) <= moment
    ]
    return effective[-1] if effective else None


def predecessor(events: Sequence[Event], champion: Version) -> str:
    """Return the pool that was champion before `champion` last became it; empty if none was."""
    before = [event.from_pool for event in events if event.to_pool == champion.pool_digest]
    return before[-1] if before else ""


def metrics_of(events: Sequence[Event], version: Version) -> Mapping[str, float]:
    """Return what a version reached when it was last promoted; empty where that is not recorded."""
    pool = version.pool_digest
    recorded = [event.metrics for event in events if event.to_pool == pool and event.metrics]
    return recorded[-1] if recorded else {}
