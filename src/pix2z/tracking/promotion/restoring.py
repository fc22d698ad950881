"""A store that was made anew gets its champion back, as promotions.json has it."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pix2z.tracking.promotion.production import (
    copy_to_production,
    move_aliases,
    tag_production,
)
from pix2z.tracking.promotion.trail import (
    FILE,
    Event,
    Place,
    read_file,
    read_trail,
    tag_event,
    tagged_events,
    way_back,
)
from pix2z.tracking.store import Store
from pix2z.tracking.versions import CHAMPION, Version, read_versions, with_alias

__all__ = ["restore_aliases"]

LOG = logging.getLogger(__name__)


def restore_aliases(store: Store, root: Path) -> None:
    """Give a store without a champion the one that promotions.json names, and the whole trail.

    A store that has a champion is left alone, and the file is only read; where the file names
    another one, that is logged. Where no registered version holds the champion's pool, no alias
    moves: what brings it back is logged. A kill in between leaves no champion, and the next call
    goes on.

    Raises
    ------
    InputError
        promotions.json is damaged.
    """
    recorded = read_file(root)
    named = recorded.champion
    if named is None:
        return
    versions = read_versions(store.client)
    if present := with_alias(versions, CHAMPION):
        if present.pool_digest != named.pool_digest:
            LOG.warning(
                "the champion is %s (pool %s), but %s names %s; nothing was changed: `pix2z "
                "promote` of the one that is meant makes them agree",
                present.source, present.pool_digest[:12], FILE, _name(named),
            )  # fmt: skip
        return
    champion = _of_pool(versions, named)
    if champion is None:
        LOG.warning(
            "%s names the champion %s, whose pool is not here now; no alias was moved: %s",
            FILE, _name(named), way_back(root, named),
        )  # fmt: skip
        return
    events = read_trail(store.client, root)
    previous = _of_pool(versions, recorded.previous) if recorded.previous else None
    if previous is None and recorded.previous:
        LOG.warning("%s names a previous champion that is not registered here", FILE)
    copies = [_restored(store, version, events) for version in (previous, champion) if version]
    tagged = {event.key for event in tagged_events(store.client)}
    for event in events:
        if event.key not in tagged:
            tag_event(store.client, event)
    move_aliases(store.client, champion=copies[-1], previous=copies[0] if previous else None)
    LOG.info("%s is the champion again, as %s says", copies[-1].label, FILE)


def _of_pool(versions: Sequence[Version], recorded: Place) -> Version | None:
    """Return a version with the recorded pool, one of an arm rather than a copy in production."""
    having = [v for v in versions if v.pool_digest == recorded.pool_digest]
    return max(having, key=lambda v: (v.source == v.label, v.number), default=None)


def _restored(store: Store, version: Version, events: Sequence[Event]) -> Version:
    """Return the copy in production of a version, with what its last promotion says of it."""
    copy = copy_to_production(store, version)
    told = [event for event in events if event.to_pool == version.pool_digest]
    if told:
        tag_production(store.client, copy, told[-1], {})
    return copy


def _name(recorded: Place) -> str:
    """Source and pool of a version that promotions.json names."""
    return f"{recorded.source} (pool {recorded.pool_digest[:12]})"
