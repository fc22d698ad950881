"""A store that was made anew gets its champion back, as promotions.json has it."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2z.tracking.promotion.production import (
    copy_to_production,
    move_aliases,
    tag_production,
)
from pix2z.tracking.promotion.trail import (
    FILE,
    Event,
    commit_that_names,
    read_file,
    recorded_events,
    tag_event,
    tagged_events,
)
from pix2z.tracking.store import Store
from pix2z.tracking.versions import CHAMPION, PREVIOUS, Version, read_versions, with_alias

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
    content = read_file(root)
    if content[CHAMPION] is None:
        return
    versions = read_versions(store.client)
    if present := with_alias(versions, CHAMPION):
        _log_disagreement(present, content[CHAMPION])
        return
    champion = _of_pool(versions, content[CHAMPION])
    if champion is None:
        _log_way_back(root, content[CHAMPION])
        return
    events = sorted(recorded_events(root), key=lambda e: (e.number, e.time, e.key))
    previous = _of_pool(versions, content[PREVIOUS]) if content[PREVIOUS] else None
    if previous is None and content[PREVIOUS]:
        LOG.warning("%s names a previous champion that is not registered here", FILE)
    copies = [_restored(store, version, events) for version in (previous, champion) if version]
    tagged = {event.key for event in tagged_events(store.client)}
    for event in events:
        if event.key not in tagged:
            tag_event(store.client, event)
    move_aliases(store.client, champion=copies[-1], previous=copies[0] if previous else None)
    LOG.info("%s is the champion again, as %s says", copies[-1].label, FILE)


def _of_pool(versions: Sequence[Version], recorded: Mapping[str, Any]) -> Version | None:
    """Return a version with the recorded pool, one of an arm rather than a copy in production."""
    having = [v for v in versions if v.pool_digest == recorded["pool_digest"]]
    return max(having, key=lambda v: (v.source == v.label, v.number), default=None)


def _restored(store: Store, version: Version, events: Sequence[Event]) -> Version:
    """Return the copy in production of a version, with what its last promotion says of it."""
    copy = copy_to_production(store, version)
    told = [event for event in events if event.to_pool == version.pool_digest]
    if not told:
        return copy
    source = {"source": version.source}  # versions are numbered anew
    return tag_production(store.client, copy, told[-1], source)


def _log_disagreement(present: Version, recorded: Mapping[str, Any]) -> None:
    """Say that the store has another champion than promotions.json; nothing where they agree."""
    if present.pool_digest == recorded["pool_digest"]:
        return
    LOG.warning(
        "the champion is %s (pool %s), but %s names %s; nothing was changed: `pix2z promote` of "
        "the one that is meant makes them agree",
        present.source, present.pool_digest[:12], FILE, _name(recorded),
    )  # fmt: skip


def _log_way_back(root: Path, recorded: Mapping[str, Any]) -> None:
    """Say that the champion's pool is not here, and which commit brings it back, if one is known.

    The commit of the code is older than the results, and has the pool before in its dvc.lock.
    """
    name, made_by = _name(recorded), str(recorded.get("git_commit", ""))
    if commit := commit_that_names(root, recorded["pool_digest"]):
        LOG.warning(
            "%s names the champion %s, whose pool is not in models/ now; no alias was moved. It "
            "comes back with\n"
            "    git checkout %s && dvc pull && dvc repro -s register\n"
            "    git checkout - && dvc checkout && dvc repro -s register",
            FILE, name, commit[:12],
        )  # fmt: skip
    elif made_by:
        LOG.warning(
            "%s names the champion %s, whose pool is not in models/ now; no alias was moved. The "
            "code that made it is that of commit %s; its results were committed after that. Check "
            "out a commit whose dvc.lock holds them, then `dvc pull && dvc repro -s register`",
            FILE, name, made_by[:12],
        )  # fmt: skip
    else:
        LOG.warning("%s names the champion %s, which is in no model here", FILE, name)


def _name(recorded: Mapping[str, Any]) -> str:
    """Source and pool of a version that promotions.json names."""
    return f"{recorded.get('source', 'the champion')} (pool {recorded['pool_digest'][:12]})"
