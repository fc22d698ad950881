"""The writes: a promotion, and a rollback. Both are described in the package's docstring."""

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, IntegrityError, RefusedError
from pix2z.files import read_json
from pix2z.tracking.promotion.audit import (
    Event,
    metrics_of,
    predecessor,
    read_events,
    write_event,
)
from pix2z.tracking.promotion.gate import table_json
from pix2z.tracking.promotion.judgement import Judgement
from pix2z.tracking.promotion.lock import promotion_lock, who
from pix2z.tracking.promotion.measure import fetched_pool
from pix2z.tracking.promotion.proposal import Proposal
from pix2z.tracking.promotion.versions import (
    CHAMPION,
    PREVIOUS,
    PRODUCTION,
    Version,
    read_versions,
    with_alias,
)
from pix2z.tracking.store import Store, default_store

__all__ = ["Moved", "checked_reason", "promote", "rollback"]

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


@dataclass(frozen=True)
class Moved:
    """Where the alias `champion` went."""

    champion: str
    """As ``pix2z/2``."""
    previous: str | None
    source: str
    """The version of an arm that the champion is a copy of."""


def checked_reason(reason: str) -> str:
    """Return a reason on one line; raise InputError where it is too long to be recorded."""
    words = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    if len(words) > MOST_REASON:
        raise InputError(f"--reason: expected at most {MOST_REASON} characters; got {len(words)}")
    return words


def promote(store: Store, proposal: Proposal, *, reason: str, break_lock: bool = False) -> Moved:
    """Make the candidate of a proposal that passed the champion.

    Raises
    ------
    RefusedError
        The proposal did not pass, the champion is another one than it was measured against, or
        somebody else is promoting. The champion is as it was.
    """
    judgement = proposal.judgement
    if judgement is None or not proposal.passed:
        raise RefusedError(proposal.refusal)
    client = store.client
    with promotion_lock(client, break_lock=break_lock) as still_held:
        champion = _champion(client)
        _require_unchanged(proposal.champion, champion)
        target = _copy(store, proposal.candidate)
        event = Event(
            action="promote",
            source=proposal.candidate.source,
            from_version=champion.label if champion else None,
            to_version=target.label,
            user=who(),
            reason=reason,
            metrics={name: v for name, v in judgement.metrics.items() if name in RECORDED},
            digests=_digests(proposal.candidate),
            new_test_set=champion is not None and not judgement.compared,
        )
        for key, value in _version_tags(event, judgement).items():
            client.set_model_version_tag(PRODUCTION, str(target.number), key, value)
        write_event(client, event)
        still_held()
        _move(client, champion=target, previous=champion)
    return Moved(target.label, event.from_version, event.source)


def _version_tags(event: Event, judgement: Judgement) -> dict[str, str]:
    """Return what a version of `pix2z` says of its own promotion."""
    return {
        "source": event.source,
        "replaces": event.from_version or "none",
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "promoted_by": event.user,
        "reason": event.reason or "none given",
        "decision": json.dumps(table_json(judgement.checks), ensure_ascii=False),
        **event.digests,
    }


def rollback(store: Store, *, reason: str, break_lock: bool = False) -> Moved:
    """Make the previous champion the champion again, and the champion the previous one.

    Raises
    ------
    RefusedError
        There is nothing to return to, its artifacts are gone, or somebody else is promoting. The
        champion is as it was.
    """
    client = store.client
    with promotion_lock(client, break_lock=break_lock) as still_held:
        champion = _champion(client)
        if champion is None:
            raise RefusedError(f"{PRODUCTION} has no champion yet; `pix2z promote` makes one")
        events = read_events(client)
        target = _before(client, champion, events)
        _require_whole(store, target)
        event = Event(
            action="rollback",
            source=target.source,
            from_version=champion.label,
            to_version=target.label,
            user=who(),
            reason=reason,
            metrics=metrics_of(events, target.label),
            digests=_digests(target),
        )
        write_event(client, event)
        still_held()
        _move(client, champion=target, previous=champion)
    return Moved(target.label, champion.label, target.source)


def _champion(client: MlflowClient) -> Version | None:
    return with_alias(read_versions(client), CHAMPION)


def _require_unchanged(measured: Version | None, now: Version | None) -> None:
    """Raise RefusedError where the champion is not the one that the candidate was held against."""
    before, after = (version.label if version else "none" for version in (measured, now))
    if before != after:
        raise RefusedError(
            f"the champion changed while this promotion was measured, from {before} to {after}: "
            "somebody else was first; run it again"
        )


def _copy(store: Store, candidate: Version) -> Version:
    """Return the version of `pix2z` that holds the candidate's pool; make it if there is none."""
    client = store.client
    known = [v for v in read_versions(client) if v.name == PRODUCTION]
    for version in known:  # the newest first
        if version.pool_digest == candidate.pool_digest:
            return version
    try:
        client.create_registered_model(PRODUCTION, description=_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    with default_store(store.uri), contextlib.redirect_stderr(io.StringIO()):  # MLflow tells of it
        copied = client.copy_model_version(candidate.uri, PRODUCTION)
    return Version(
        name=PRODUCTION,
        number=int(copied.version),
        run_id=candidate.run_id,
        created=copied.creation_timestamp / 1000,
        tags=dict(copied.tags),
    )


def _before(client: MlflowClient, champion: Version, events: Sequence[Event]) -> Version:
    """Return what a rollback returns to: alias `previous`, else what the trail says was before."""
    versions = [v for v in read_versions(client) if v.name == PRODUCTION]
    target = with_alias(versions, PREVIOUS)
    if target is None or target.number == champion.number:  # an interrupted promotion or rollback
        label = predecessor(events, champion.label)
        target = next((v for v in versions if v.label == label), None)
    if target is None or target.number == champion.number:
        raise RefusedError(f"{champion.label} has no previous champion to return to")
    return target


def _require_whole(store: Store, version: Version) -> None:
    """Raise RefusedError where the artifacts of a version are gone or not its own.

    Only pool.json is looked at: a rollback must be quick, and needs no TensorFlow.
    """
    try:
        with fetched_pool(store, version) as folder:
            digest = read_json(folder / "pool.json").get("digest")
    except (InputError, IntegrityError) as error:
        raise RefusedError(f"{version.label} cannot be served: {error}") from error
    if digest != version.pool_digest:
        raise RefusedError(f"{version.label} cannot be served: it holds another pool than its tag")


def _digests(version: Version) -> Mapping[str, str]:
    return {key: version.tags[key] for key in DIGESTS if key in version.tags}


def _move(client: MlflowClient, *, champion: Version, previous: Version | None) -> None:
    """Set both aliases, the champion last: a kill in between leaves the old one in place."""
    if previous is not None:
        client.set_registered_model_alias(PRODUCTION, PREVIOUS, str(previous.number))
    client.set_registered_model_alias(PRODUCTION, CHAMPION, str(champion.number))
