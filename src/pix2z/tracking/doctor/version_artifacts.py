"""Versions whose networks are gone from the store, or are not the ones that were registered."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.files import text_digest
from pix2z.network.saved_json import check_pool
from pix2z.tracking.doctor.finding import Finding, mend_command
from pix2z.tracking.doctor.registered_pools import pool_folders
from pix2z.tracking.doctor.registry_view import Registry, label
from pix2z.tracking.models import pool_cache
from pix2z.tracking.pool_history import fetched_from_history, find_in_history
from pix2z.tracking.registry import ModelRecord, save_model
from pix2z.tracking.store import Store

__all__ = ["ARTIFACTS", "check_artifacts", "restore_artifacts"]

ARTIFACTS = "artifacts"
"""Name of the fault: ``artifacts/pix2z-full/1``."""


@dataclass(frozen=True)
class _Place:
    """Artifacts that one or more versions share."""

    uri: str
    versions: tuple[ModelVersion, ...]
    """The one that they were logged for first, then its copies."""

    @property
    def digest(self) -> str:
        return str(self.versions[0].tags["pool_digest"])


def check_artifacts(registry: Registry) -> list[Finding]:
    """Find versions that cannot be loaded, or would be other networks than they say."""
    findings = []
    for place in _places(registry):
        fault = _fault(registry.store, place)
        if fault:
            findings.append(_finding(registry, place, fault))
    return findings


def _places(registry: Registry) -> list[_Place]:
    """Versions of pools by where their artifacts are."""
    found: dict[str, list[ModelVersion]] = {}
    for version in registry.versions:
        if "pool_digest" in version.tags:
            uri = registry.store.client.get_model_version_download_uri(
                version.name, version.version
            )
            found.setdefault(uri, []).append(version)
    return [
        _Place(uri, tuple(sorted(some, key=lambda v: not _logged_model(v))))
        for uri, some in found.items()
    ]


def _logged_model(version: ModelVersion) -> str:
    """Return the id of the logged model that a version is; empty for a copy of a version."""
    source = version.source.removeprefix("models:/")
    return source if source.startswith("m-") else ""


def _fault(store: Store, place: _Place) -> str:
    """Say what is wrong with artifacts; empty where nothing is."""
    try:
        with _pool_of(store, place.uri) as pool:
            digest = check_pool(pool)["digest"]
    except (InputError, OSError, MlflowException):
        return "are gone"
    except IntegrityError as error:
        return f"were altered ({error})"
    return "" if digest == place.digest else "hold another pool than its tag says"


@contextmanager
def _pool_of(store: Store, uri: str) -> Iterator[Path]:
    """Yield the pool of a model: the files themselves, or downloaded from a server."""
    if Path(uri).is_absolute():
        yield Path(uri) / "artifacts/pool"
        return
    with TemporaryDirectory() as scratch:
        found = download_artifacts(
            f"{uri}/artifacts/pool", dst_path=scratch, tracking_uri=store.uri
        )
        yield Path(found)


def _finding(registry: Registry, place: _Place, fault: str) -> Finding:
    labels = [label(version) for version in place.versions]
    name = f"{ARTIFACTS}/{labels[0]}"
    source = _source(registry, place)
    what = "a version's artifacts " + fault
    where = f"{', '.join(labels)} in {place.uri}"
    if source is None:
        why = (
            "it cannot be loaded or served, and no file here, in DVC's cache or in the history of "
            "dvc.lock holds its pool: it has to be made again, then registered there"
        )
        return Finding(what, where, why, f"pix2z reproduce {labels[0]}")
    why = (
        f"it cannot be loaded or served; the command writes it again from {source}, with the code "
        "of this checkout"
    )
    return Finding(what, where, why, mend_command(name), name)


def _source(registry: Registry, place: _Place) -> str | None:
    """Say where the pool of a version can be had; None where it cannot."""
    folder = _local_pool(registry, place)
    if folder is not None:
        return str(folder)
    found = find_in_history(registry.root, place.versions[0], registry.store)
    return f"{found.path} of commit {found.commit[:10]}" if found else None


def _local_pool(registry: Registry, place: _Place) -> Path | None:
    """Return a whole folder with this very pool, if one is here."""
    named = pool_folders(registry.root)
    folders = [named[v.name] for v in place.versions if v.name in named]
    for folder in (*folders, pool_cache() / text_digest(place.digest)):
        try:
            if check_pool(folder)["digest"] == place.digest:
                return folder
        except Pix2zError:
            continue
    return None


def restore_artifacts(registry: Registry, name: str) -> str:
    """Write the artifacts of a version again; say from what.

    Raises
    ------
    Pix2zError
        Its pool is nowhere to be found.
    """
    place = next(p for p in _places(registry) if label(p.versions[0]) == name)
    folder = _local_pool(registry, place)
    if folder is not None:
        _write(registry.store, place, folder)
        return f"{name} was written again from {folder}"
    found = find_in_history(registry.root, place.versions[0], registry.store)
    if found is None:
        raise Pix2zError(f"{name}: its pool is nowhere to be found; `pix2z reproduce {name}`")
    with fetched_from_history(registry.root, found) as fetched:
        if check_pool(fetched)["digest"] != place.digest:
            raise Pix2zError(f"{name}: {found.path} of {found.commit} is another pool")
        _write(registry.store, place, fetched)
    return f"{name} was written again from {found.path} of commit {found.commit}"


def _write(store: Store, place: _Place, folder: Path) -> None:
    """Log the pool in `folder` as the model that the versions of a place were made from."""
    version = place.versions[0]
    model_id = _logged_model(version)
    if not model_id:
        raise Pix2zError(f"{label(version)}: the version that it is a copy of is gone")
    record = ModelRecord(
        name=version.name,
        model_description="",
        folder=folder,
        members=tuple(check_pool(folder)["members"]),
        digest=place.digest,
        run_id=version.run_id,
        card=version.description or "",
        tags=version.tags,
    )
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "model"
        save_model(path, record, Model(run_id=version.run_id, model_id=model_id))
        store.client.log_model_artifacts(model_id, str(path))
