"""The audit trail: every promotion and rollback as a tag of the registered model `pix2z`.

MLflow keeps no history of aliases. An event is written once, before the aliases move, and never
changed; whether it took effect follows from the events after it and from today's champion.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pix2z.tracking.promotion.versions import PRODUCTION

__all__ = ["EVENT", "Event", "metrics_of", "outcomes", "predecessor", "read_events", "write_event"]

EVENT = "event."
"""Start of the key of an event's tag; time and a short random id follow."""


@dataclass(frozen=True)
class Event:
    """One promotion or rollback."""

    action: str
    """``promote`` or ``rollback``."""
    source: str
    """The version of an arm that `to` is a copy of, as ``pix2z-full/3``."""
    from_version: str | None
    """The champion before, as ``pix2z/1``."""
    to_version: str
    user: str
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    new_test_set: bool = False
    """A new line: not compared with the champion before."""
    time: str = ""
    """UTC, ISO 8601."""
    number: int = 0
    """Place in the trail, from 1; clocks of several machines may differ."""
    key: str = ""
    """Of its tag."""


def read_events(client: MlflowClient) -> list[Event]:
    """Read the trail, the oldest first; empty where nothing was ever promoted."""
    try:
        tags = client.get_registered_model(PRODUCTION).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return []
    found = [_parsed(key, value) for key, value in tags.items() if key.startswith(EVENT)]
    return sorted(
        (event for event in found if event is not None), key=lambda e: (e.number, e.time, e.key)
    )


def _parsed(key: str, value: str) -> Event | None:
    """Read an event; None for a tag that somebody wrote by hand."""
    try:
        said = json.loads(value)
        known = {k: v for k, v in said.items() if k in Event.__dataclass_fields__}
        return replace(Event(**known), key=key)
    except (ValueError, TypeError, AttributeError):
        return None


def write_event(client: MlflowClient, event: Event) -> Event:
    """Append an event, with its time and number; return it as written."""
    now = datetime.now(UTC)
    key = f"{EVENT}{now.strftime('%Y%m%dT%H%M%S.%fZ')}.{uuid4().hex[:6]}"
    number = max((e.number for e in read_events(client)), default=0) + 1
    event = replace(event, time=now.isoformat(timespec="seconds"), number=number, key=key)
    said = {name: value for name, value in asdict(event).items() if name != "key"}
    client.set_registered_model_tag(PRODUCTION, key, json.dumps(said, ensure_ascii=False))
    return event


def outcomes(events: Sequence[Event], champion: str | None) -> list[str]:
    """Say what became of each event: ``champion``, ``replaced`` or ``no effect``.

    An event took effect where the next one starts from its version or, for the last, where that is
    the champion now. No effect: killed before its last write, or undone by hand.
    """
    found = []
    for place, event in enumerate(events, start=1):
        last = place == len(events)
        after = champion if last else events[place].from_version
        in_effect = "champion" if last else "replaced"
        found.append(in_effect if event.to_version == after else "no effect")
    return found


def predecessor(events: Sequence[Event], champion: str) -> str | None:
    """Return the version that was champion before `champion` became it, by the trail."""
    before = [event.from_version for event in events if event.to_version == champion]
    return before[-1] if before else None


def metrics_of(events: Sequence[Event], version: str) -> Mapping[str, float]:
    """Return what `version` reached when it was last promoted; empty where that is not recorded."""
    found = [event.metrics for event in events if event.to_version == version and event.metrics]
    return found[-1] if found else {}
