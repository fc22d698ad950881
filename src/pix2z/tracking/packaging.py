"""Versions of registered models: made once per pool or network, from its files.

A version is an MLflow model from code: JSON, weights, and the package as it is now, so it answers
tomorrow as it does today. Nothing is pickled, and nothing is loaded or run to make one.
"""

import importlib.metadata
import json
import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model

import pix2z
from pix2z.tracking.served_forms import POOL, ServedForm
from pix2z.tracking.store import Store, default_store

__all__ = ["ModelRecord", "ensure_versions", "save_model"]

LOG = logging.getLogger(__name__)

_OURS = "name LIKE 'pix2z-%'"
_COMMIT_TAGS = ("git_commit", "git_dirty")


@dataclass(frozen=True)
class ModelRecord:
    """One version of a registered model."""

    name: str
    model_description: str
    folder: Path
    """The pool, as models/<arm>, or the network, as spectrum/models/<arm>."""
    members: tuple[str, ...]
    """Of the pool; none of a single network."""
    digest: str
    """Of the pool or network; the registered model holds one version of it."""
    run_id: str
    card: str
    """What this version is, in markdown."""
    tags: Mapping[str, str]
    form: ServedForm = POOL


def ensure_versions(store: Store, records: Sequence[ModelRecord]) -> list[str]:
    """Make the registry hold each pool or network once; return the number of each one's version.

    Descriptions are kept in step with the records.
    """
    client = store.client
    digest_tags = {record.form.digest_tag for record in records}
    with default_store(store.uri):
        models = {m.name: m for m in mlflow.search_registered_models(filter_string=_OURS)}
        versions = {
            (v.name, v.tags.get(tag)): v
            for v in mlflow.search_model_versions(filter_string=_OURS)
            for tag in digest_tags
        }
    numbers = []
    for record in records:
        model = models.get(record.name) or _create_model(client, record)
        models[record.name] = model
        if model.description != record.model_description:
            client.update_registered_model(record.name, record.model_description)
        version = versions.get((record.name, record.digest))
        if version is None:
            version = _create_version(store, record)
        else:
            _update_version(client, version, record)
        numbers.append(str(version.version))
    return numbers


def _create_model(client: MlflowClient, record: ModelRecord) -> RegisteredModel:
    tags = {key: record.tags[key] for key in record.form.model_tags if key in record.tags}
    try:
        return client.create_registered_model(record.name, tags, record.model_description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        # Another machine was first.
        return client.get_registered_model(record.name)


def _create_version(store: Store, record: ModelRecord) -> ModelVersion:
    """Log it as a model of its run, then make a version of it, tags and all at once."""
    client = store.client
    experiment_id = store.experiments[record.form.experiment]
    logged = client.create_logged_model(
        experiment_id, name=record.name, source_run_id=record.run_id, tags=dict(record.tags)
    )
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "model"
        save_model(path, record, Model(run_id=record.run_id, model_id=logged.model_id))
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(record.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    with default_store(store.uri):
        version = client.create_model_version(
            record.name,
            f"models:/{logged.model_id}",
            record.run_id,
            {
                **record.tags,
                **_commit(client, record.run_id),
                record.form.digest_tag: record.digest,
            },
            description=record.card,
            model_id=logged.model_id,
        )
    link = json.dumps([{"name": record.name, "version": str(version.version)}])
    client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": link})
    LOG.info("registered %s version %s", record.name, version.version)
    return _first_of_twins(store, record, version, logged.model_id)


def _first_of_twins(
    store: Store, record: ModelRecord, version: ModelVersion, model_id: str
) -> ModelVersion:
    """Delete a new version whose digest another machine has registered meanwhile; return theirs."""
    if not store.is_shared:  # `store.locked` has kept others out
        return version
    where = f"name = '{record.name}' and tags.{record.form.digest_tag} = '{record.digest}'"
    twins = store.client.search_model_versions(where)
    first = min(twins, key=lambda twin: int(twin.version), default=version)
    if int(first.version) < int(version.version):
        store.client.delete_model_version(record.name, str(version.version))
        store.client.delete_logged_model(model_id)
        return first
    return version


def _update_version(client: MlflowClient, version: ModelVersion, record: ModelRecord) -> None:
    """Bring the card up to date, and add tags that an older pix2z did not write."""
    if version.description != record.card:
        client.update_model_version(record.name, version.version, record.card)
    if record.tags.keys() <= version.tags.keys():
        return
    tags = {**record.tags, **_commit(client, record.run_id)}
    for key in tags.keys() - version.tags.keys():
        client.set_model_version_tag(record.name, version.version, key, tags[key])


def _commit(client: MlflowClient, run_id: str) -> dict[str, str]:
    """State of the code when the run was made, as its tags say it."""
    tags = client.get_run(run_id).data.tags
    return {key: tags[key] for key in _COMMIT_TAGS if key in tags}


def save_model(path: Path, record: ModelRecord, mlflow_model: Model) -> None:
    """Write the MLflow model of a version into the folder `path`."""
    package = Path(pix2z.__file__).parent
    with TemporaryDirectory() as scratch:
        files = Path(scratch) / record.form.artifact
        _copy_files(record, files)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*input example was not provided")
            mlflow.pyfunc.save_model(
                str(path),
                python_model=str(record.form.code),
                artifacts={record.form.artifact: str(files)},
                code_paths=[str(package)],
                pip_requirements=[
                    f"{name}=={importlib.metadata.version(name)}"
                    for name in record.form.requirements
                ],
                signature=record.form.signature(),
                model_config={record.form.digest_tag: record.digest},
                mlflow_model=mlflow_model,
            )
    for cache in [*path.rglob("__pycache__")]:
        shutil.rmtree(cache)


def _copy_files(record: ModelRecord, folder: Path) -> None:
    """Copy what the served model reads, and nothing else."""
    for file in record.form.files(record.members):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(record.folder / file, folder / file)
