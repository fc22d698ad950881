"""Promotions that were killed on their way: see `pix2z.tracking.promotion` for what each leaves."""

import socket

from mlflow.entities.model_registry import ModelVersion

from pix2z.tracking.doctor.finding import Finding, mend_command
from pix2z.tracking.doctor.registry_view import Registry, label
from pix2z.tracking.process_mark import lives
from pix2z.tracking.promotion.audit import outcomes, predecessor, read_events
from pix2z.tracking.promotion.lock import MAX_AGE
from pix2z.tracking.promotion.versions import CHAMPION, LOCK, PREVIOUS, PRODUCTION

__all__ = [
    "EMPTY",
    "PREVIOUS_ALIAS",
    "UNPROMOTED",
    "check_promotions",
    "delete_empty",
    "delete_lock",
    "delete_version",
    "set_previous",
]

UNPROMOTED = "unpromoted"
"""Kind of fault: ``unpromoted/pix2z/3``."""
PREVIOUS_ALIAS = f"previous/{PRODUCTION}"
EMPTY = f"empty/{PRODUCTION}"


def check_promotions(registry: Registry, *, now: float) -> list[Finding]:
    """Find a lock that nobody holds, copies that never became champion, and aliases half moved."""
    lock = registry.models.get(LOCK)
    if lock is not None:
        age = now - lock.creation_timestamp / 1000
        tags = lock.tags
        by = f"{tags.get('by', '?')}, process {tags.get('pid', '?')} on {tags.get('host', '?')}"
        if not _is_left(tags, age):
            why = "nothing else is said of promotions until it has ended"
            return [Finding("a promotion is under way", by, why, is_fault=False)]
        return [
            Finding(
                "a promotion was killed and left its lock",
                f"{LOCK}, {by}",
                f"nobody else can promote or roll back before it is {MAX_AGE // 60} minutes old; "
                "what else the kill left is found once the lock is removed",
                mend_command(LOCK),
                LOCK,
            )
        ]
    return [*_copies(registry), *_aliases(registry), *_empty_model(registry)]


def _is_left(tags: dict[str, str], age: float) -> bool:
    """Whether nobody holds the lock: too old, or of a process of this machine that is gone."""
    pid = tags.get("pid", "")
    is_of_here = tags.get("host") == socket.gethostname() and pid.isdigit()
    return age > MAX_AGE or (is_of_here and not lives(int(pid)))


def delete_lock(registry: Registry, _: str) -> str:
    """Remove the lock; say so."""
    registry.store.client.delete_registered_model(LOCK)
    return f"{LOCK} is removed"


def _champion(registry: Registry) -> str | None:
    """Return the champion as the alias says it, as ``pix2z/2``."""
    model = registry.models.get(PRODUCTION)
    number = model.aliases.get(CHAMPION) if model else None
    return f"{PRODUCTION}/{number}" if number else None


def _in_effect(registry: Registry) -> set[str]:
    """Versions that are or were champion, or carry an alias."""
    champion = _champion(registry)
    events = read_events(registry.store.client)
    were = outcomes(events, champion)
    found = {e.to_version for e, became in zip(events, were, strict=True) if became != "no effect"}
    found |= {e.from_version for e in events if e.from_version}
    model = registry.models.get(PRODUCTION)
    aliases = model.aliases.values() if model else ()
    return found | {f"{PRODUCTION}/{number}" for number in aliases}


def _copies(registry: Registry) -> list[Finding]:
    used = _in_effect(registry)
    left = [v for v in registry.versions if v.name == PRODUCTION and label(v) not in used]
    return [_copy_finding(version) for version in left]


def _copy_finding(version: ModelVersion) -> Finding:
    name = f"{UNPROMOTED}/{label(version)}"
    return Finding(
        "a version of the production model never became champion",
        f"{label(version)}, a copy of {version.tags.get('source', version.source)}",
        "a promotion was killed half-way, or it was copied by hand; it looks as if it had been in "
        "production. The command removes it; promoting the same model again would take it up",
        mend_command(name),
        name,
    )


def delete_version(registry: Registry, name: str) -> str:
    """Remove a version of the production model; say so."""
    client = registry.store.client
    client.delete_model_version(PRODUCTION, name.rpartition("/")[2])
    is_last = sum(version.name == PRODUCTION for version in registry.versions) == 1
    if is_last and not read_events(client):
        client.delete_registered_model(PRODUCTION)
    return f"{name} is removed"


def _aliases(registry: Registry) -> list[Finding]:
    """Find both aliases on one version: killed between moving the one and the other."""
    model = registry.models.get(PRODUCTION)
    aliases = model.aliases if model else {}
    if CHAMPION not in aliases or aliases.get(PREVIOUS) != aliases[CHAMPION]:
        return []
    return [
        Finding(
            "a promotion was killed half-way: the champion is also the previous one",
            f"{PRODUCTION}@{PREVIOUS} and @{CHAMPION} are both version {aliases[CHAMPION]}",
            f"the champion is served as before; the command sets {PREVIOUS} to the champion before "
            "it, as the history has it, or removes it where there was none",
            mend_command(PREVIOUS_ALIAS),
            PREVIOUS_ALIAS,
        )
    ]


def set_previous(registry: Registry, _: str) -> str:
    """Set the alias `previous` by the history; say to what."""
    client, champion = registry.store.client, _champion(registry)
    known = {label(version) for version in registry.versions}
    before = predecessor(read_events(client), champion) if champion else None
    if before is None or before == champion or before not in known:
        client.delete_registered_model_alias(PRODUCTION, PREVIOUS)
        return f"{PRODUCTION}@{PREVIOUS} is removed: {champion} is the first champion"
    client.set_registered_model_alias(PRODUCTION, PREVIOUS, before.rpartition("/")[2])
    return f"{PRODUCTION}@{PREVIOUS} is {before}"


def _empty_model(registry: Registry) -> list[Finding]:
    """Find the production model without versions or history."""
    model = registry.models.get(PRODUCTION)
    has_versions = any(version.name == PRODUCTION for version in registry.versions)
    if model is None or has_versions or read_events(registry.store.client):
        return []
    return [
        Finding(
            "a promotion was killed half-way: the production model has no version",
            PRODUCTION,
            "nothing can be served; the command removes it, and `pix2z promote` makes it again",
            mend_command(EMPTY),
            EMPTY,
        )
    ]


def delete_empty(registry: Registry, _: str) -> str:
    """Remove the empty production model; say so."""
    registry.store.client.delete_registered_model(PRODUCTION)
    return f"{PRODUCTION} is removed"
