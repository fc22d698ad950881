"""Loose ends of the registry: aliases, runs and logged models that lead nowhere."""

from mlflow.entities import LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pix2z.errors import Pix2zError
from pix2z.tracking.doctor.commands import register_command, shell
from pix2z.tracking.doctor.finding import Finding, mend_command
from pix2z.tracking.doctor.registered_pools import pool_digest, pool_folders
from pix2z.tracking.doctor.registry_view import Registry, label
from pix2z.tracking.promotion.versions import CHAMPION, PREVIOUS, PRODUCTION
from pix2z.tracking.store import Store
from pix2z.tracking.version_lineage import RUN_TAG, run_of

__all__ = [
    "ALIAS",
    "LOGGED",
    "RUN_OF",
    "check_aliases",
    "check_logged_models",
    "check_version_runs",
    "delete_alias",
    "delete_logged_model",
    "link_run",
]

ALIAS, LOGGED, RUN_OF = "alias", "logged-model", "run-of"
"""Kinds of fault: ``alias/pix2z@champion``, ``logged-model/m-...``, ``run-of/pix2z-full/1``."""

_UPLOAD_SECONDS = 3600
"""A logged model that is not finished after this time never will be."""


def check_aliases(registry: Registry) -> list[Finding]:
    """Find aliases of versions that do not exist."""
    known = {label(version) for version in registry.versions}
    findings = []
    for model in registry.models.values():
        for alias, number in model.aliases.items():
            if f"{model.name}/{number}" in known:
                continue
            name = f"{ALIAS}/{model.name}@{alias}"
            why = (
                f"whatever loads models:/{model.name}@{alias} fails; the command removes the alias"
            )
            if model.name == PRODUCTION and alias in (CHAMPION, PREVIOUS):
                why += ", and `pix2z promote` sets it again"
            findings.append(
                Finding(
                    "an alias points at a missing version",
                    f"{model.name}@{alias} is version {number}",
                    why,
                    mend_command(name),
                    name,
                )
            )
    return findings


def delete_alias(registry: Registry, name: str) -> str:
    """Remove an alias; say so."""
    model, _, alias = name.rpartition("@")
    registry.store.client.delete_registered_model_alias(model, alias)
    return f"{name} is removed"


def check_logged_models(registry: Registry, *, now: float) -> list[Finding]:
    """Find models that were logged and are no version: a kill came between the two."""
    used = {version.source.removeprefix("models:/") for version in registry.versions}
    findings = []
    for model in registry.logged:
        is_ours = "arm" in model.tags
        is_young = now - model.creation_timestamp / 1000 < _UPLOAD_SECONDS
        is_under_way = model.status == LoggedModelStatus.PENDING and is_young
        if model.model_id in used or not is_ours or is_under_way:
            continue
        name = f"{LOGGED}/{model.model_id}"
        findings.append(
            Finding(
                "a logged model belongs to no version",
                f"{model.name} {model.model_id}, {model.status.value.lower()}",
                "registering was killed before its version was made, and the next one logged it "
                "anew; it takes space. After the command, `mlflow gc` frees that",
                mend_command(name),
                name,
            )
        )
    return findings


def delete_logged_model(registry: Registry, model_id: str) -> str:
    """Mark a logged model as deleted; say so."""
    registry.store.client.delete_logged_model(model_id)
    return f"logged model {model_id} is deleted"


def check_version_runs(registry: Registry) -> list[Finding]:
    """Find versions whose run was deleted: their lineage, metrics and figures are lost with it."""
    findings = []
    for version in registry.versions:
        run_id = run_of(version.tags, version.run_id)
        if "pool_digest" not in version.tags or not run_id:
            continue
        run = _run(registry.store, run_id)
        if run is None:
            findings.append(_gone(registry, version, run_id))
        elif run.info.lifecycle_stage == "deleted":
            findings.append(
                Finding(
                    "the run of a version is deleted",
                    f"{label(version)}, run {run_id}",
                    "nothing shows where the version comes from; `mlflow gc` would make it final",
                    shell("mlflow", "runs", "restore", "--run-id", run_id),
                )
            )
    return findings


def _run(store: Store, run_id: str) -> Run | None:
    try:
        return store.client.get_run(run_id)
    except MlflowException:
        return None


def _gone(registry: Registry, version: ModelVersion, run_id: str) -> Finding:
    what, where = "the run of a version is gone", f"{label(version)}, run {run_id}"
    if _successor(registry, version) is None and not _is_here(registry, version):
        why = (
            "where it comes from is lost: no run of the same pool is left, nor its files. It can "
            "be loaded and served all the same"
        )
        return Finding(what, where, why, is_fault=False)
    name = f"{RUN_OF}/{label(version)}"
    why = "the command registers the same files as a new run, and notes that run in the version"
    command = f"{register_command(registry.root)} && {mend_command(name)}"
    return Finding(what, where, why, command, name)


def _is_here(registry: Registry, version: ModelVersion) -> bool:
    """Whether the files of a version's pool are those of an arm here, which can be registered."""
    digests = {pool_digest(folder) for folder in pool_folders(registry.root).values()}
    return version.tags["pool_digest"] in digests


def _successor(registry: Registry, version: ModelVersion) -> Run | None:
    """Return another run of the same pool."""
    client, experiments = registry.store.client, list(registry.store.experiments.values())
    rule = f"tags.pool_digest = '{version.tags['pool_digest']}' and tags.kind = 'pool'"
    return next(iter(client.search_runs(experiments, rule, max_results=1)), None)


def link_run(registry: Registry, name: str) -> str:
    """Note in a version which run tells of it now; say so."""
    version = next(v for v in registry.versions if label(v) == name)
    run = _successor(registry, version)
    if run is None:
        raise Pix2zError(f"{name}: no run of its pool; {register_command(registry.root)} makes one")
    registry.store.client.set_model_version_tag(
        version.name, version.version, RUN_TAG, run.info.run_id
    )
    return f"{name} is told of by run {run.info.run_id}"
