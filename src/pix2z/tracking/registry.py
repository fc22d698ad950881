"""Registered models: one version per pool, however often it is registered."""

import importlib.metadata
import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model

import pix2z
from pix2z.tracking.served_forms import POOL, ServedForm
from pix2z.tracking.store import Store

__all__ = ["DIGEST_TAG", "ModelRecord", "default_store", "ensure_versions", "save_model"]

LOG = logging.getLogger(__name__)

DIGEST_TAG = POOL.digest_tag
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
    models = {m.name: m for m in client.search_registered_models("name LIKE 'pix2z-%'")}
    versions = _versions(client, {record.form.digest_tag for record in records})
    numbers = []
    for record in records:
        if record.name not in models:
            tags = {key: record.tags[key] for key in record.form.model_tags if key in record.tags}
            models[record.name] = client.create_registered_model(
                record.name, tags, record.model_description
            )
        elif models[record.name].description != record.model_description:
            client.update_registered_model(record.name, record.model_description)
        version = versions.get((record.name, record.digest))
        if version is None:
            version = _create_version(store, record)
        else:
            _update_version(client, version, record)
        numbers.append(str(version.version))
    return numbers


def _versions(client: MlflowClient, digest_tags: set[str]) -> dict[tuple[str, str], ModelVersion]:
    """Every version by (model, digest), of those with one of these tags."""
    found: dict[tuple[str, str], ModelVersion] = {}
    token = None
    while True:
        page = client.search_model_versions("name LIKE 'pix2z-%'", 1000, page_token=token)
        found |= {(v.name, v.tags[t]): v for v in page for t in digest_tags if t in v.tags}
        token = page.token
        if not token:
            return found


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


@contextmanager
def default_store(uri: str) -> Iterator[None]:
    """MLflow looks a version's model up in its default store, whichever the client's."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        yield
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def save_model(path: Path, record: ModelRecord, mlflow_model: Model) -> None:
    """Write an MLflow model from code: no pickle, nothing is loaded or run.

    The package travels with it (`code_paths`): a version answers tomorrow as it does today,
    whatever the package has become.
    """
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
