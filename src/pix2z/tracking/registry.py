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
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array

import pix2z
from pix2z.tracking.store import Store

__all__ = ["DIGEST_TAG", "ModelRecord", "default_store", "ensure_versions", "save_model"]

LOG = logging.getLogger(__name__)

DIGEST_TAG = "pool_digest"
_MODEL_TAGS = ("arm", "architecture", "selection")
"""Tags of a version that all versions of its model share."""

_COMMIT_TAGS = ("git_commit", "git_dirty")

REQUIREMENTS = ("mlflow", "tensorflow", "keras", "numpy", "scipy", "h5py", "pandas", "pydantic")
"""What loading and serving a pool imports; pinned to what is installed when it is registered."""

_Z_COLUMNS = ("median", "mean", "mode", "err68_low", "err68_high", "err95_low", "err95_high")


@dataclass(frozen=True)
class ModelRecord:
    """One version of a registered model."""

    name: str
    model_description: str
    folder: Path
    """The pool, as models/<arm>."""
    members: tuple[str, ...]
    digest: str
    """Of the pool; the registered model holds one version of it."""
    run_id: str
    card: str
    """What this version is, in markdown."""
    tags: Mapping[str, str]


def ensure_versions(store: Store, records: Sequence[ModelRecord]) -> list[str]:
    """Make the registry hold each pool once; return the number of each one's version.

    Descriptions are kept in step with the records.
    """
    client = store.client
    models = {m.name: m for m in client.search_registered_models("name LIKE 'pix2z-%'")}
    versions, numbers = _versions(client), []
    for record in records:
        if record.name not in models:
            tags = {key: record.tags[key] for key in _MODEL_TAGS if key in record.tags}
            client.create_registered_model(record.name, tags, record.model_description)
        elif models[record.name].description != record.model_description:
            client.update_registered_model(record.name, record.model_description)
        version = versions.get((record.name, record.digest))
        if version is None:
            version = _create_version(store, record)
        else:
            _update_version(client, version, record)
        numbers.append(str(version.version))
    return numbers


def _versions(client: MlflowClient) -> dict[tuple[str, str], ModelVersion]:
    """Every version by (model, pool digest)."""
    found: dict[tuple[str, str], ModelVersion] = {}
    token = None
    while True:
        page = client.search_model_versions("name LIKE 'pix2z-%'", 1000, page_token=token)
        found |= {(v.name, v.tags[DIGEST_TAG]): v for v in page if DIGEST_TAG in v.tags}
        token = page.token
        if not token:
            return found


def _create_version(store: Store, record: ModelRecord) -> ModelVersion:
    """Log the pool as a model of its run, then make a version of it, tags and all at once."""
    client = store.client
    experiment_id = store.experiments["pix2z-train"]
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
            {**record.tags, **_commit(client, record.run_id), DIGEST_TAG: record.digest},
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
        pool = Path(scratch) / "pool"
        _copy_pool(record, pool)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*input example was not provided")
            mlflow.pyfunc.save_model(
                str(path),
                python_model=str(Path(__file__).with_name("served_model.py")),
                artifacts={"pool": str(pool)},
                code_paths=[str(package)],
                pip_requirements=[f"{n}=={importlib.metadata.version(n)}" for n in REQUIREMENTS],
                signature=_signature(),
                model_config={"pool_digest": record.digest},
                mlflow_model=mlflow_model,
            )
    for cache in [*path.rglob("__pycache__")]:
        shutil.rmtree(cache)


def _copy_pool(record: ModelRecord, pool: Path) -> None:
    """Copy what `load_pool` reads, and nothing else."""
    for name in (".", *record.members):
        (pool / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(record.folder / "pool.json", pool)
    for name in record.members:
        for file in ("estimator.json", "weights.weights.h5"):
            shutil.copy(record.folder / name / file, pool / name)


def _signature() -> ModelSignature:
    """Images as one tensor, E(B-V) and PDFs as parameters; a row per galaxy out."""
    images = TensorSpec(np.dtype("float32"), (-1, 32, 32, 5))
    columns = [ColSpec(DataType.double, f"z_{name}") for name in _Z_COLUMNS]
    pdf = [ColSpec(Array(DataType.double), name, required=False) for name in ("pdf", "pdf_z")]
    signature = ModelSignature(
        inputs=Schema([images]),
        outputs=Schema([*columns, ColSpec(DataType.integer, "flags"), *pdf]),
        params=ParamSchema(
            [
                ParamSpec("ebv", DataType.double, [], (-1,)),
                ParamSpec("pdf", DataType.boolean, False),
            ]
        ),
    )
    # The model checks what it is sent, says better than MLflow what is wrong with it, and takes
    # base64 too: MLflow passes the input of such a model on as it came.
    signature._is_signature_from_type_hint = True
    return signature
