"""``pix2z lineage``: from a version back to its data, and from data on to every version."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.display import plain, print_json
from pix2z.cli.registry_session import session

if TYPE_CHECKING:
    from pix2z.tracking.digest_lineage import DigestLineage
    from pix2z.tracking.version_lineage import RunSummary, VersionLineage

__all__ = ["lineage"]

UNKNOWN = "not recorded"


def lineage(
    what: Annotated[
        str,
        typer.Argument(
            metavar="VERSION|DIGEST",
            help="An arm as full (its newest version), pix2z-full/2, models:/pix2z@champion; or "
            "a digest of data, weights or a pool, 8 characters or more, md5: or sha256: first "
            "if you like.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a version was made from, or everything that was made from what has a digest."""
    with session() as opened:
        from pix2z.tracking.digest_lineage import digest_lineage, is_digest
        from pix2z.tracking.existing import with_experiments
        from pix2z.tracking.promotion.versions import find_version, read_versions
        from pix2z.tracking.version_lineage import version_lineage

        store = with_experiments(opened)
        versions = read_versions(store.client)
        names = {version.name for version in versions}
        if is_digest(what) and not {what, f"pix2z-{what}"} & names:
            forward = digest_lineage(store, what, versions)
            _show(asdict(forward) if as_json else _forward_text(forward))
        else:
            back = version_lineage(store, find_version(versions, what))
            _show(asdict(back) if as_json else _back_text(back))


def _show(said: dict[str, Any] | Iterator[str]) -> None:
    if isinstance(said, dict):
        print_json(said)
    else:
        for line in said:
            sys.stdout.write(f"{plain(line)}\n")


def _forward_text(found: "DigestLineage") -> Iterator[str]:
    for match in found.matches:
        yield f"{match.what}: {', '.join(match.digests)}"
    if len(found.matches) > 1:
        yield f"{found.digest} fits each of these {len(found.matches)}; more digits choose one"
    yield "versions:"
    yield from (f"  {label}" for label in found.versions or ("none",))
    yield "runs:"
    yield from (f"  {run.experiment}  {run.run_id}  {run.name}" for run in found.runs)


def _back_text(found: "VersionLineage") -> Iterator[str]:
    aliases = f" ({', '.join(found.aliases)})" if found.aliases else ""
    yield f"{found.version}{aliases}, registered {_minute(found.registered)} UTC"
    if found.copy_of:
        yield f"  a copy of {found.copy_of}"
    yield f"  {found.arm}: {found.architecture}, selection {found.selection or 'of its own'}"
    yield f"  pool {found.pool_digest}"
    if found.base_pool_digest:
        yield f"  went on from the pool {found.base_pool_digest}"
    yield "data:"
    for path, digests in found.data.items():
        yield f"  {path}  {' '.join(digests)}"
    if found.raw:
        yield f"  {found.raw.get('name')} is {found.raw.get('source')}"
    yield f"  test galaxies  {found.test_digest or UNKNOWN}"
    yield "code:"
    yield f"  commit {found.commit or UNKNOWN}{_state(found.dirty)}"
    if found.preset:
        yield f"  in a workspace of the preset {found.preset}"
    yield f"  dvc.lock {found.stage or UNKNOWN}  {found.lock_digest or ''}".rstrip()
    yield from _params(found.stages)
    yield from _settings(found.runs.get("training", ()))
    yield "weights:"
    yield from (f"  {name}  sha256:{digest}" for name, digest in found.weights.items())
    yield "runs:"
    for kind, runs in found.runs.items():
        for run in runs:
            yield from _run_text(kind, run)


def _minute(seconds: float) -> str:
    """Return a time (seconds since 1970) in UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _state(dirty: bool | None) -> str:
    words = {None: "", False: ", clean", True: ", and changes that were not committed"}
    return words[dirty]


def _params(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Parameters of every stage, each section once."""
    merged: dict[str, Any] = {}
    for entry in stages.values():
        merged |= entry.get("params", {}).get("params.yaml", {})
    if merged:
        yield "parameters:"
    for key, value in merged.items():
        yield f"  {key}: {json.dumps(value)}"


def _settings(trainings: "Sequence[RunSummary]") -> Iterator[str]:
    """List the settings of the networks, after tuning: every one of a pool has the same."""
    known = next((run.params for run in trainings), {})
    for key, value in known.items():
        if key.startswith("settings."):
            yield f"  {key} = {value}"


def _run_text(kind: str, run: "RunSummary") -> Iterator[str]:
    yield f"  {kind}  {run.run_id}  {run.name}  {run.status}"
    if run.curves:
        shown = (f"{name} ({points} points)" for name, points in run.curves.items())
        yield f"    curves: {', '.join(shown)}"
    if run.artifacts:
        yield f"    artifacts: {', '.join(run.artifacts)}"
