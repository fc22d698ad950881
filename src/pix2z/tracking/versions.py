"""Versions in MLflow's registry: read, found by what a person calls them, and listed.

`model_names` finds models among the folders here too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pix2z.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "CHAMPION",
    "FINETUNED",
    "PREVIOUS",
    "PRODUCTION",
    "SHOWN",
    "Version",
    "find_version",
    "listed_versions",
    "newest",
    "read_versions",
    "with_alias",
]

FINETUNED = "finetuned"
"""Folder of fine-tuned models, in the root of the repository."""

PRODUCTION = "pix2z"
"""The registered model whose champion is served."""

CHAMPION, PREVIOUS = "champion", "previous"
"""Aliases of `PRODUCTION`: what is served, and what a rollback returns to."""

SHOWN = ("crps", "mae", "nmad", "outlier_005", "coverage_68", "coverage_95")
"""Metrics on the test galaxies of each version; those of versions of different test digests are of
different galaxies."""

_POOL = "pool_digest"
_DIGESTS = (_POOL, "test_digest", "split_digest", "galaxies_digest", "base_pool_digest")
_URI = "models:/"
_PAGE = 1000
_RUNS_AT_ONCE = 100


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    name: str
    number: int
    run_id: str
    created: float
    """Seconds since 1970."""
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and number, as ``pix2z-full/3``."""
        return f"{self.name}/{self.number}"

    @property
    def uri(self) -> str:
        """What MLflow loads it by."""
        return f"{_URI}{self.label}"

    @property
    def pool_digest(self) -> str:
        """Digest of its networks and their calibration."""
        return self.tags[_POOL]

    @property
    def test_digest(self) -> str:
        """Digest of the test galaxies that it was not trained on; empty where not known."""
        return self.tags.get("test_digest", "")

    @property
    def source(self) -> str:
        """The version that it is a copy of, else itself."""
        return self.tags.get("source", self.label)


def read_versions(client: "MlflowClient", *, digest_tag: str = _POOL) -> list[Version]:
    """Every version that has a digest of this name, of a pool if none is said, newest first."""
    from mlflow.utils import get_results_from_paginated_fn

    def every(search: Any, matching: str) -> Any:
        return get_results_from_paginated_fn(
            lambda n, token: search(matching, n, page_token=token), _PAGE
        )

    models = every(client.search_registered_models, f"name LIKE '{PRODUCTION}%'")
    aliases = {model.name: model.aliases for model in models}
    versions = [
        Version(
            name=version.name,
            number=int(version.version),
            run_id=version.run_id or "",
            created=version.creation_timestamp / 1000,
            tags=dict(version.tags),
            aliases=_aliases(aliases.get(version.name, {}), version.version),
        )
        for version in every(client.search_model_versions, f"tags.{digest_tag} LIKE '%'")
    ]
    return sorted(versions, key=lambda version: (version.name, -version.number))


def _aliases(of_model: Mapping[str, Any], number: Any) -> tuple[str, ...]:
    return tuple(sorted(alias for alias, n in of_model.items() if str(n) == str(number)))


def with_alias(versions: Iterable[Version], alias: str, name: str = PRODUCTION) -> Version | None:
    """Return the version of model `name` that carries `alias`, if one does."""
    return next((v for v in versions if v.name == name and alias in v.aliases), None)


def newest(versions: Iterable[Version], name: str) -> Version | None:
    """Return the newest version of model `name`, if it has one."""
    return max((v for v in versions if v.name == name), key=lambda v: v.number, default=None)


def find_version(versions: Sequence[Version], spec: str) -> Version:
    """Find the version that a person means.

    Parameters
    ----------
    versions : all of the registry, as `read_versions` returns them.
    spec : an arm or a fine-tuned model (``full``: the newest of pix2z-full), or a version as
        ``pix2z-full/3``, ``models:/pix2z-full/3`` or ``models:/pix2z@previous``.

    Raises
    ------
    InputError
        There is none; the message says what there is.
    """
    rest = spec.removeprefix(_URI).removeprefix(f"{FINETUNED}/")
    if "@" in rest:
        name, _, alias = rest.rpartition("@")
        if rest == f"{PRODUCTION}@{CHAMPION}" and with_alias(versions, CHAMPION) is None:
            raise InputError(
                f"model {spec!r}: there is no champion yet; `pix2z promote` makes one, or name an "
                "arm, such as full"
            )
        version = with_alias(versions, alias, _model(versions, name, spec))
    elif "/" in rest:
        name, _, number = rest.partition("/")
        model = _model(versions, name, spec)
        version = next((v for v in versions if v.label == f"{model}/{number}"), None)
        version = newest(versions, model) if number == "latest" else version
    else:
        version = newest(versions, _model(versions, rest, spec))
    if version is None:
        named = {v.label for v in versions}
        named |= {f"{v.name}@{alias}" for v in versions for alias in v.aliases}
        known = ", ".join(sorted(named))
        raise InputError(f"model {spec!r}: no such version; expected one of {known}")
    return version


def _model(versions: Iterable[Version], name: str, spec: str) -> str:
    """Return the registered model that `name` stands for; `spec` is what the user wrote."""
    models = {version.name for version in versions}
    if not models:
        raise InputError(f"model {spec!r}: no models are registered yet; run `dvc repro`")
    for model in (f"{PRODUCTION}-{name}", name):
        if model in models:
            return model
    known = sorted(model.removeprefix(f"{PRODUCTION}-") for model in models - {PRODUCTION})
    raise InputError(
        f"model {spec!r}: not registered; expected one of {', '.join(known)}, or a version as "
        f"{PRODUCTION}-{known[0] if known else 'full'}/1"
    )


def listed_versions(client: "MlflowClient") -> list[dict[str, Any]]:
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
        "digests": {key: version.tags[key] for key in _DIGESTS if key in version.tags},
        "git_commit": version.tags.get("git_commit"),
        "run_id": version.run_id or None,
    }


def _metrics_by_run(client: "MlflowClient", run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Metrics of runs by id, of deleted ones too; runs that are gone are left out."""
    from mlflow.entities import ViewType

    everywhere = client.search_experiments(view_type=ViewType.ALL)
    experiments = [experiment.experiment_id for experiment in everywhere]
    metrics: dict[str, dict[str, float]] = {}
    for start in range(0, len(run_ids), _RUNS_AT_ONCE):
        wanted = ", ".join(f"'{run_id}'" for run_id in run_ids[start : start + _RUNS_AT_ONCE])
        runs = client.search_runs(
            experiments, f"attributes.run_id IN ({wanted})", ViewType.ALL, max_results=_RUNS_AT_ONCE
        )
        metrics |= {run.info.run_id: dict(run.data.metrics) for run in runs}
    return metrics
