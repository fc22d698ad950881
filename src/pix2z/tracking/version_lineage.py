"""From a registered version back to its data, parameters, commit, dvc.lock, runs and figures."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pix2z.tracking.arm_lineage import LINEAGE_FILE
from pix2z.tracking.promotion.versions import Version
from pix2z.tracking.store import Store

__all__ = [
    "RUN_TAG",
    "RunSummary",
    "VersionLineage",
    "artifact_text",
    "run_of",
    "summary",
    "version_lineage",
]

RUN_TAG = "lineage_run"
"""Of a version: the run that tells of it, where the one that made it is gone."""

_CURVES = "curves/"


@dataclass(frozen=True)
class RunSummary:
    """One run: what it is called, what it holds."""

    run_id: str
    name: str
    experiment: str
    status: str
    started: float
    """Seconds since 1970."""
    params: Mapping[str, str]
    curves: Mapping[str, int]
    """Learning curve -> its points."""
    artifacts: tuple[str, ...]


@dataclass(frozen=True)
class VersionLineage:
    """Where one version comes from; empty is what was not recorded."""

    version: str
    """As ``pix2z-full/2``."""
    aliases: tuple[str, ...]
    copy_of: str | None
    registered: float
    """Seconds since 1970."""
    arm: str
    architecture: str
    selection: str
    pool_digest: str
    base_pool_digest: str | None
    """Of the pool that a fine-tuned model went on from."""
    weights: Mapping[str, str]
    """Network -> SHA-256 of its weights."""
    test_digest: str | None
    """Of the test galaxies."""
    data: Mapping[str, tuple[str, ...]]
    """File that was read -> its digests, each with its kind."""
    raw: Mapping[str, Any]
    """What ingest said of the raw file."""
    commit: str | None
    dirty: bool | None
    """Whether code or parameters differed from the commit."""
    preset: str | None
    """Of the workspace that it was made in."""
    stage: str | None
    """Stage of dvc.lock that trained it."""
    lock_digest: str | None
    stages: Mapping[str, Mapping[str, Any]]
    """Entries of dvc.lock that led to it, the first ones first."""
    runs: Mapping[str, tuple[RunSummary, ...]] = field(default_factory=dict)
    """``pool``, ``training``, ``study`` and ``comparison``."""


def version_lineage(store: Store, version: Version) -> VersionLineage:
    """Read all that a store, with its experiments, knows of where a version comes from."""
    run_id = run_of(version.tags, version.run_id)
    pool = _run(store, run_id)
    tags = {**version.tags, **(pool.data.tags if pool else {})}
    said = json.loads(artifact_text(store, run_id, LINEAGE_FILE) or "{}")
    stages = said.get("stages", {})
    weights = json.loads(tags.get("weights_digests", "{}"))
    trainings = _trainings(store, tags.get("arm", ""), weights)
    dirty = tags.get("git_dirty")
    return VersionLineage(
        version=version.label,
        aliases=version.aliases,
        copy_of=None if version.source == version.label else version.source,
        registered=version.created,
        arm=tags.get("arm", ""),
        architecture=tags.get("architecture", ""),
        selection=tags.get("selection", ""),
        pool_digest=version.pool_digest,
        base_pool_digest=tags.get("base_pool_digest"),
        weights=weights,
        test_digest=tags.get("test_digest"),
        data=_data(tags),
        raw=said.get("raw", {}),
        commit=tags.get("git_commit"),
        dirty=None if dirty is None else dirty == "true",
        preset=tags.get("workspace_preset"),
        stage=next(reversed(stages), None),
        lock_digest=tags.get("lock_digest"),
        stages=stages,
        runs={
            "pool": (summary(store, pool),) if pool else (),
            "training": tuple(summary(store, run) for run in trainings),
            "study": tuple(summary(store, run) for run in _studies(store, tags, trainings)),
            "comparison": tuple(summary(store, run) for run in _comparisons(store, tags)),
        },
    )


def run_of(tags: Mapping[str, str], run_id: str) -> str:
    """Return the run that tells of a version; `tags` and `run_id` are the version's own."""
    return tags.get(RUN_TAG, run_id)


def _data(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Files with their digests; of a run without the tag data_digests, what other tags say."""
    if "data_digests" in tags:
        return {path: tuple(found) for path, found in json.loads(tags["data_digests"]).items()}
    named = {"galaxies": "galaxies_digest", "split": "split_digest"}
    return {name: (tags[tag],) for name, tag in named.items() if tag in tags}


def _run(store: Store, run_id: str) -> Run | None:
    """Return a run; None where the store has none of that id."""
    try:
        return store.client.get_run(run_id)
    except MlflowException:
        return None


def _search(store: Store, experiment: str, wanted: Mapping[str, str]) -> list[Run]:
    """Find runs of an experiment with these tags; none where a value is not known."""
    if experiment not in store.experiments or not all(wanted.values()):
        return []
    rule = " and ".join(f"tags.{tag} = '{value}'" for tag, value in wanted.items())
    found: list[Run] = store.client.search_runs([store.experiments[experiment]], rule)
    return found


def _trainings(store: Store, arm: str, weights: Mapping[str, str]) -> list[Run]:
    """Return the run of each network of a pool, in the order of the pool."""
    found = []
    for digest in weights.values():
        found += _search(store, "pix2z-train", {"arm": arm, "weights_digest": digest})[:1]
    return found


def _studies(store: Store, tags: Mapping[str, str], trainings: Iterable[Run]) -> list[Run]:
    """Return the studies on the same galaxies whose best settings trained these networks."""
    wanted = {"kind": "study", "galaxies_digest": tags.get("galaxies_digest", "")}
    used: Mapping[str, str] = next((run.data.params for run in trainings), {})
    settings = {key.removeprefix("settings."): value for key, value in used.items()}
    found = []
    for run in _search(store, "pix2z-tune", wanted):
        best = {k.removeprefix("best."): v for k, v in run.data.params.items() if "best." in k}
        if best and best.items() <= settings.items():
            found.append(run)
    return found


def _comparisons(store: Store, tags: Mapping[str, str]) -> list[Run]:
    """Return the comparisons on the same galaxies in which this arm took part."""
    wanted = {key: tags.get(key, "") for key in ("galaxies_digest", "test_digest")}
    runs = _search(store, "pix2z-compare", wanted)
    return [run for run in runs if tags.get("arm") in run.data.params.get("arms", "").split(", ")]


def summary(store: Store, run: Run) -> RunSummary:
    """Say what a run holds."""
    client, run_id = store.client, run.info.run_id
    names = {number: name for name, number in store.experiments.items()}
    curves = sorted(name for name in run.data.metrics if name.startswith(_CURVES))
    return RunSummary(
        run_id=run_id,
        name=run.info.run_name,
        experiment=names.get(run.info.experiment_id, run.info.experiment_id),
        status=run.info.status,
        started=run.info.start_time / 1000,
        params=dict(run.data.params),
        curves={name: len(client.get_metric_history(run_id, name)) for name in curves},
        artifacts=tuple(_artifacts(store, run_id)),
    )


def _artifacts(store: Store, run_id: str, folder: str | None = None) -> Iterable[str]:
    for file in store.client.list_artifacts(run_id, folder):
        if file.is_dir:
            yield from _artifacts(store, run_id, file.path)
        else:
            yield file.path


def artifact_text(store: Store, run_id: str, name: str) -> str | None:
    """Return the text of one artifact of a run; None where it cannot be had."""
    with TemporaryDirectory() as scratch:
        try:
            path = store.client.download_artifacts(run_id, name, scratch)
            return Path(path).read_text(encoding="utf-8")
        except (MlflowException, OSError):
            return None
