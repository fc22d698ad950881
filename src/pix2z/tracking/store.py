"""Where runs are kept: `MLFLOW_TRACKING_URI`, else mlflow.db in the root of the repository."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.errors import InputError
from pix2z.files import atomic_path
from pix2z.tracking.store_lock import MAKING, file_locked, postgres_locked

__all__ = [
    "EXPERIMENTS",
    "POSTGRES",
    "SQLITE",
    "Store",
    "create_database",
    "open_store",
    "repository_root",
    "tracking_uri",
]

EXPERIMENTS: Mapping[str, str] = {
    "pix2z-tune": (
        "Searches for settings of the hybrid network. Each parent run is one Optuna study, each "
        "child one trial: a short training judged by its loss on validation galaxies. The settings "
        "of the best trial train every hybrid arm alike. No models are kept here."
    ),
    "pix2z-train": (
        "Trained redshift networks. An *arm* is one training sample and one architecture; it is "
        "trained once per seed, and the seeds are pooled. Runs named *seed* are single trainings "
        "with their learning curves; runs named *pool* carry the figures and own the registered "
        "model of the arm. Metrics named test/ are in redshift units, on the same test galaxies "
        "for every arm. Runs named *finetune* went on from a trained pool on other galaxies, and "
        "are tested on some of those."
    ),
    "pix2z-compare": (
        "Comparisons of all arms and controls on the same test galaxies: does clipping the "
        "training sample at 2 sigma help? Each run holds the verdicts, the report (report.html "
        "under Artifacts) and its figures."
    ),
    SPECTRUM_MODEL: (
        "Networks that reconstruct a galaxy's spectrum from its images. An *arm* is one training "
        "sample and one decoder. A run named after an arm has its learning curves, its errors on "
        "the test galaxies (test/, relative to the flux in r) and, for every way to read a "
        "redshift off the spectrum, the metrics of that redshift; it owns a version of the "
        f"registered model *{SPECTRUM_MODEL}*. A run named *assessment* holds the comparison of "
        "all arms and its figures."
    ),
}
"""Experiment -> its description."""

KIND = "custom_model_development"
"""Opens an experiment on its runs, not on the traces of a language model."""

SQLITE, POSTGRES = "sqlite:///", "postgresql"
"""How the URI of such a store begins."""


@dataclass(frozen=True)
class Store:
    """An open tracking store and registry."""

    client: MlflowClient
    uri: str
    experiments: Mapping[str, str]
    """Experiment name -> id."""


def repository_root(start: Path | None = None) -> Path:
    """Return `DVC_ROOT`, else the nearest folder from `start` upwards that holds the pipeline."""
    if "DVC_ROOT" in os.environ:
        return Path(os.environ["DVC_ROOT"]).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").exists() and (folder / "dvc.yaml").exists():
            return folder
    raise InputError(f"{here}: neither here nor above is a folder with params.yaml and dvc.yaml")


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, else the SQLite file in the root of the repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{repository_root() / 'mlflow.db'}"


def open_store() -> Store:
    """Open the store; create it and the experiments where they are missing.

    Any number of processes may do so at once: MLflow itself cannot create one database twice at a
    time. A kill while it is created leaves no half-made SQLite file behind.
    """
    # `mlflow run` exports its own run to every child; our runs are not that run.
    os.environ.pop("MLFLOW_RUN_ID", None)
    uri = tracking_uri()
    if uri.startswith(SQLITE):
        _ensure_sqlite(_sqlite_file(uri))
    elif uri.startswith(POSTGRES):
        with postgres_locked(uri, key=MAKING):
            MlflowClient(uri).search_experiments(max_results=1)
    client = MlflowClient(uri)
    return Store(client, uri, _ensure_experiments(client, uri))


def _sqlite_file(uri: str) -> Path:
    return Path(uri.removeprefix(SQLITE)).resolve()


def _ensure_sqlite(database: Path) -> None:
    if database.exists():  # it is renamed to that when it is whole
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with file_locked(database.with_name(f"{database.name}.lock")):
        if not database.exists():
            create_database(database)


def create_database(database: Path) -> None:
    """Create the SQLite file of an empty store, whole or not at all."""
    with atomic_path(database) as partial:
        MlflowClient(f"{SQLITE}{partial}").search_experiments()


def _ensure_experiments(client: MlflowClient, uri: str) -> dict[str, str]:
    """Ids by name; created with their description, restored where a person deleted them."""
    known = {e.name: e for e in client.search_experiments(view_type=ViewType.ALL)}
    ids = {}
    for name, description in EXPERIMENTS.items():
        if name not in known:
            ids[name] = _create_experiment(client, name, description, _artifact_location(uri, name))
            continue
        ids[name] = known[name].experiment_id
        if known[name].lifecycle_stage == "deleted":
            client.restore_experiment(ids[name])
    return ids


def _create_experiment(
    client: MlflowClient, name: str, description: str, location: str | None
) -> str:
    tags = {"mlflow.note.content": description, "mlflow.experimentKind": KIND}
    try:
        created: str = client.create_experiment(name, artifact_location=location, tags=tags)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        # Another process was first.
        created = client.get_experiment_by_name(name).experiment_id
    return created


def _artifact_location(uri: str, name: str) -> str | None:
    """Beside a SQLite file, or in the root for another database; a server has a place of its own.

    Never in the current folder, which may be the temporary copy of a queued experiment.
    """
    if uri.startswith(SQLITE):
        return str(_sqlite_file(uri).with_name("mlruns") / name)
    if uri.startswith(POSTGRES):
        return str(repository_root() / "mlruns" / name)
    return None
