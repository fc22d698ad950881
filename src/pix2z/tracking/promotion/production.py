"""The writes: a promotion, and a rollback. Both are described in the package's docstring."""

import contextlib
import getpass
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from pix2z.errors import InputError, IntegrityError, RefusedError
from pix2z.tracking.creation import allowing_existing
from pix2z.tracking.model_names import download
from pix2z.tracking.promotion.judgement import Decision
from pix2z.tracking.promotion.trail import (
    Event,
    dated,
    metrics_of,
    predecessor,
    read_trail,
    tag_event,
    write_file,
)
from pix2z.tracking.store import Store, default_store, locked
from pix2z.tracking.versions import (
    CHAMPION,
    PREVIOUS,
    PRODUCTION,
    Version,
    read_versions,
    with_alias,
)

__all__ = [
    "checked_reason",
    "copy_to_production",
    "move_aliases",
    "promote",
    "record_trail",
    "rollback",
    "tag_production",
    "who",
]

RECORDED = ("crps", "mae", "nmad", "outlier_005", "bias_mean", "coverage_68", "coverage_95")
"""Metrics that the trail holds."""
DIGESTS = ("pool_digest", "test_digest", "split_digest", "galaxies_digest", "git_commit")
"""Tags of a version that the trail holds."""

MOST_REASON = 500
"""Characters; an event with all it says must fit into the 5,000 of a tag."""

_DESCRIPTION = (
    "Redshifts of galaxies from five-band images: the model in production. Its versions are copies "
    "of versions of `pix2z-ARM` that passed the gate of `pix2z promote`.\n\n"
    "The alias **champion** is what is served, **previous** what `pix2z rollback` returns to. Tags "
    "named event.* are the audit trail (`pix2z history`); tags of a version say where it comes "
    "from, who promoted it, why, and by which decision."
)


def checked_reason(reason: str) -> str:
    """Return a reason on one line; raise InputError where it is too long to be recorded."""
    words = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    if len(words) > MOST_REASON:
        raise InputError(f"--reason: expected at most {MOST_REASON} characters; got {len(words)}")
    return words


def who() -> str:
    """Return the user's name, as far as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"uid {os.getuid()}"


def promote(store: Store, root: Path, decision: Decision, *, reason: str) -> Event:
    """Make a candidate that passed the champion; return the event that the trail has of it.

    Parameters
    ----------
    root : the repository, where promotions.json is written.

    Raises
    ------
    RefusedError
        The candidate did not pass, or the champion is another one than it was compared with. The
        champion is as it was.
    """
    if not decision.passed:
        raise RefusedError(decision.refusal)
    with locked(store, "move the champion"):
        champion = _unchanged_champion(store.client, decision.champion)
        trail = read_trail(store.client, root)
        return _move(
            store,
            root,
            trail,
            action="promote",
            champion=champion,
            target=copy_to_production(store, decision.candidate),
            reason=reason,
            metrics={name: v for name, v in decision.metrics.items() if name in RECORDED},
            decision=decision,
        )


def rollback(store: Store, root: Path, *, reason: str) -> Event:
    """Make the previous champion the champion again, and the champion the previous one.

    Raises
    ------
    RefusedError
        There is nothing to return to, its artifacts are gone, or the champion changed meanwhile.
        The champion is as it was.
    """
    with locked(store, "move the champion"):
        versions = read_versions(store.client)
        champion = with_alias(versions, CHAMPION)
        if champion is None:
            raise RefusedError(f"{PRODUCTION} has no champion yet; `pix2z promote` makes one")
        trail = read_trail(store.client, root)
        target = _version_before(versions, champion, trail)
        _require_whole(store, target)
        return _move(
            store,
            root,
            trail,
            action="rollback",
            champion=champion,
            target=target,
            reason=reason,
            metrics=metrics_of(trail, target),
        )


def _move(
    store: Store,
    root: Path,
    trail: Sequence[Event],
    *,
    action: str,
    champion: Version | None,
    target: Version,
    reason: str,
    metrics: Mapping[str, float],
    decision: Decision | None = None,
) -> Event:
    """Write what happens, then let `target` follow the champion; return the event as written.

    Parameters
    ----------
    trail : the events before.
    decision : of a promotion, to be kept beside the version.
    """
    client = store.client
    undated = Event(
        action=action,
        source=target.source,
        from_version=champion.label if champion else None,
        to_version=target.label,
        user=who(),
        reason=reason,
        metrics=metrics,
        digests={key: target.tags[key] for key in DIGESTS if key in target.tags},
        new_test_set=bool(decision and champion and not decision.compared),
        small_test_set=bool(decision and decision.is_small),
        from_pool=champion.pool_digest if champion else "",
    )
    event = dated(undated, trail)
    if decision:
        lines = json.dumps([asdict(check) for check in decision.checks], ensure_ascii=False)
        tag_production(client, target, event, {"decision": lines})
    tag_event(client, event)
    _unchanged_champion(client, champion)
    move_aliases(client, champion=target, previous=champion)
    write_file(root, [*trail, event], champion=target, previous=champion)
    return event


def record_trail(store: Store, root: Path) -> None:
    """Write promotions.json where it lacks what the registry holds; nothing else is changed."""
    with locked(store, "move the champion"):
        versions = read_versions(store.client)
        champion, previous = (with_alias(versions, alias) for alias in (CHAMPION, PREVIOUS))
        trail = read_trail(store.client, root)
        write_file(root, trail, champion=champion, previous=previous)


def _unchanged_champion(client: MlflowClient, before: Version | None) -> Version | None:
    """Return the champion; RefusedError where it is not the one that a decision was made on."""
    now = with_alias(read_versions(client), CHAMPION)
    names = [version.label if version else "none" for version in (before, now)]
    if names[0] != names[1]:
        raise RefusedError(
            f"the champion changed meanwhile, from {names[0]} to {names[1]}: somebody else was "
            "first; run it again"
        )
    return now


def copy_to_production(store: Store, version: Version) -> Version:
    """Return the version of `pix2z` that holds the pool of `version`; make it if there is none.

    Its tags are those of `version`, and which one that is.
    """
    client = store.client
    tags = {**version.tags, "source": version.source}
    for known in read_versions(client):  # the newest first
        if known.name == PRODUCTION and known.pool_digest == version.pool_digest:
            return replace(known, tags={**known.tags, **tags})
    with allowing_existing():
        client.create_registered_model(PRODUCTION, description=_DESCRIPTION)
    with default_store(store.uri), contextlib.redirect_stderr(io.StringIO()):  # MLflow tells of it
        copied = client.copy_model_version(version.uri, PRODUCTION)
    return replace(version, name=PRODUCTION, number=int(copied.version), tags=tags, aliases=())


def tag_production(
    client: MlflowClient, version: Version, event: Event, more: Mapping[str, str]
) -> None:
    """Write on a version of `pix2z` what its promotion was."""
    tags = {
        "source": version.source,
        "replaces": event.from_version or "none",
        "promoted_at": event.time,
        "promoted_by": event.user,
        "reason": event.reason or "none given",
        **event.digests,
        **more,
    }
    for key, value in tags.items():
        client.set_model_version_tag(PRODUCTION, str(version.number), key, value)


def move_aliases(client: MlflowClient, *, champion: Version, previous: Version | None) -> None:
    """Set both aliases, the champion last: a kill in between leaves the old one in place."""
    if previous is not None:
        client.set_registered_model_alias(PRODUCTION, PREVIOUS, str(previous.number))
    client.set_registered_model_alias(PRODUCTION, CHAMPION, str(champion.number))


def _version_before(
    versions: Sequence[Version], champion: Version, trail: Sequence[Event]
) -> Version:
    """Return what a rollback returns to: alias `previous`, else what the trail says was before."""
    target = with_alias(versions, PREVIOUS)
    if target is None or target.number == champion.number:  # an interrupted promotion or rollback
        pool = predecessor(trail, champion)
        copies = [v for v in versions if v.name == PRODUCTION]
        target = next((v for v in copies if v.pool_digest == pool), None)
    if target is None or target.number == champion.number:
        raise RefusedError(f"{champion.label} has no previous champion to return to")
    return target


def _require_whole(store: Store, version: Version) -> None:
    """Raise RefusedError where the pool of a version is gone or not its own."""
    with TemporaryDirectory() as scratch:
        try:
            download(store, version, Path(scratch), whole=False)
        except IntegrityError as error:
            raise RefusedError(f"{version.label} cannot be served: {error}") from error
