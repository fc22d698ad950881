"""Versions with the metrics of their runs, for people and programs to look through."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import ViewType

from pix2z.tracking.promotion.versions import Version, read_versions

__all__ = ["SHOWN", "listed_versions"]

SHOWN = ("crps", "mae", "nmad", "outlier_005", "coverage_68", "coverage_95")
"""Metrics on the test galaxies of each version; those of versions of different digests are of
different galaxies."""

DIGESTS = ("pool_digest", "test_digest", "split_digest", "galaxies_digest", "base_pool_digest")

_PAGE = 100


def listed_versions(client: MlflowClient) -> list[dict[str, Any]]:
    """Describe every version: metrics as its run says them, digests, aliases, when and whence.

    A metric that no run says is None.
    """
    versions = read_versions(client)
    metrics = _metrics_by_run(client, sorted({v.run_id for v in versions if v.run_id}))
    return [_listed(version, metrics.get(version.run_id, {})) for version in versions]


def _listed(version: Version, metrics: Mapping[str, float]) -> dict[str, Any]:
    created = datetime.fromtimestamp(version.created, UTC)
    return {
        "model": version.name,
        "version": version.number,
        "uri": version.uri,
        "aliases": list(version.aliases),
        "source": version.tags.get("source"),
        "registered_at": created.isoformat(timespec="seconds"),
        "promoted_at": version.tags.get("promoted_at"),
        "metrics": {name: metrics.get(f"test/{name}") for name in SHOWN},
        "digests": {key: version.tags[key] for key in DIGESTS if key in version.tags},
        "git_commit": version.tags.get("git_commit"),
        "run_id": version.run_id or None,
    }


def _metrics_by_run(client: MlflowClient, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Metrics of runs by id; runs that are gone are left out."""
    everywhere = client.search_experiments(view_type=ViewType.ALL)
    experiments = [experiment.experiment_id for experiment in everywhere]
    found: dict[str, dict[str, float]] = {}
    for start in range(0, len(run_ids), _PAGE):
        wanted = ", ".join(f"'{run_id}'" for run_id in run_ids[start : start + _PAGE])
        runs = client.search_runs(
            experiments, f"attributes.run_id IN ({wanted})", ViewType.ALL, max_results=_PAGE
        )
        found |= {run.info.run_id: dict(run.data.metrics) for run in runs}
    return found
