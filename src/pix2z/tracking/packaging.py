"""Versions of registered models: made once per pool or network, from its files.

A version is an MLflow model from code: JSON, weights, and the package as it is now, so it answers
tomorrow as it does today. Nothing is pickled, and nothing is loaded or run to make one.
"""

import importlib.metadata
import json
import logging
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.models import Model

import pix2z
from pix2z.files import read_json
from pix2z.tracking.cards import render_card
from pix2z.tracking.creation import allowing_existing
from pix2z.tracking.served_forms import POOL, SPECTRUM, ServedForm
from pix2z.tracking.store import Store, default_store
from pix2z.tracking.trainings import TrainedModel

__all__ = ["ensure_versions", "save_model"]

LOG = logging.getLogger(__name__)

_OURS = "name LIKE 'pix2z-%'"
_COMMIT_TAGS = ("git_commit", "git_dirty")


def ensure_versions(
    store: Store, models: Sequence[TrainedModel], owners: Sequence[Run]
) -> list[str]:
    """Make the registry hold each model once; return the number of each one's version.

    Descriptions are kept in step with the models.

    Parameters
    ----------
    owners : the run that owns each version.
    """
    with default_store(store.uri):
        known = {m.name: m for m in mlflow.search_registered_models(filter_string=_OURS)}
        versions = {
            (v.name, v.tags.get(form.kind.digest_tag)): v
            for v in mlflow.search_model_versions(filter_string=_OURS)
            for form in (POOL, SPECTRUM)
        }
    numbers = []
    for model, owner in zip(models, owners, strict=True):
        if model.name not in known:
            known[model.name] = _create_model(store.client, model)
        if known[model.name].description != model.description:
            store.client.update_registered_model(model.name, model.description)
        version = versions.get((model.name, model.digest))
        if version is None:
            version = _create_version(store, model, owner)
        else:
            _update_version(store.client, version, model, owner)
        numbers.append(str(version.version))
    return numbers


def _create_model(client: MlflowClient, model: TrainedModel) -> RegisteredModel:
    with allowing_existing():
        client.create_registered_model(model.name, description=model.description)
    return client.get_registered_model(model.name)


def _create_version(store: Store, model: TrainedModel, owner: Run) -> ModelVersion:
    """Log it as a model of its run, then make a version of it, tags and all at once."""
    client, run_id, tags = store.client, owner.info.run_id, _tags(model, owner)
    logged = client.create_logged_model(
        owner.info.experiment_id, name=model.name, source_run_id=run_id, tags=tags
    )
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "model"
        of_run = Model(run_id=run_id, model_id=logged.model_id)
        save_model(path, model.folder, model.form, of_run)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    with default_store(store.uri):
        version = client.create_model_version(
            model.name,
            f"models:/{logged.model_id}",
            run_id,
            tags,
            description=render_card(model, owner.data.tags),
            model_id=logged.model_id,
        )
    link = json.dumps([{"name": model.name, "version": str(version.version)}])
    client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": link})
    LOG.info("registered %s version %s", model.name, version.version)
    return _first_of_twins(store, model, version, logged.model_id)


def _tags(model: TrainedModel, owner: Run) -> dict[str, str]:
    """Tags of a version: its data, its digest, and the commit that its run was made with."""
    code = {key: owner.data.tags[key] for key in _COMMIT_TAGS if key in owner.data.tags}
    return {**model.tags, **code, model.form.kind.digest_tag: model.digest}


def _first_of_twins(
    store: Store, model: TrainedModel, version: ModelVersion, model_id: str
) -> ModelVersion:
    """Delete a new version whose digest another machine has registered meanwhile; return theirs."""
    if not store.is_shared:  # `store.locked` has kept others out
        return version
    where = f"name = '{model.name}' and tags.{model.form.kind.digest_tag} = '{model.digest}'"
    twins = store.client.search_model_versions(where)
    first = min(twins, key=lambda twin: int(twin.version), default=version)
    if int(first.version) < int(version.version):
        store.client.delete_model_version(model.name, str(version.version))
        store.client.delete_logged_model(model_id)
        return first
    return version


def _update_version(
    client: MlflowClient, version: ModelVersion, model: TrainedModel, owner: Run
) -> None:
    """Bring the card up to date, and add tags of what was not known when it was made."""
    card, tags = render_card(model, owner.data.tags), _tags(model, owner)
    if version.description != card:
        client.update_model_version(model.name, version.version, card)
    for key in tags.keys() - version.tags.keys():
        client.set_model_version_tag(model.name, version.version, key, tags[key])


def save_model(
    path: Path, networks: Path, form: ServedForm = POOL, mlflow_model: Model | None = None
) -> None:
    """Write the MLflow model of a version into the folder `path`.

    Parameters
    ----------
    networks : folder of the pool or spectrum network; what the served model reads is copied.
    mlflow_model : names the run that it belongs to, if any.
    """
    described = read_json(networks / form.kind.saved)
    with TemporaryDirectory() as scratch:
        copied = Path(scratch) / form.kind.artifact
        for file in form.files(described):
            (copied / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(networks / file, copied / file)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*input example was not provided")
            mlflow.pyfunc.save_model(
                str(path),
                python_model=str(form.code),
                artifacts={form.kind.artifact: str(copied)},
                code_paths=[str(Path(pix2z.__file__).parent)],
                pip_requirements=[
                    f"{name}=={importlib.metadata.version(name)}"
                    for name in form.requirements(networks, described)
                ],
                signature=form.signature(),
                model_config={form.kind.digest_tag: described["digest"]},
                mlflow_model=mlflow_model,
            )
    for cache in [*path.rglob("__pycache__")]:
        shutil.rmtree(cache)
