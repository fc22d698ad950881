"""A pool of networks by name: an arm, a fine-tuned model, a folder, or a version in the registry.

MLflow is imported only where the registry is asked.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pix2z.errors import InputError, Pix2zError
from pix2z.files import read_json, text_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from pix2z.tracking.store import Store

__all__ = ["FINETUNED", "MODELS", "known_pools", "pool_cache", "resolve_pool"]

MODELS, FINETUNED = "models", "finetuned"
"""Folders of trained arms and of fine-tuned models, in the root of the repository."""

_URI = "models:/"
_EXPECTED = f"a folder with pool.json, or {_URI}NAME/VERSION or {_URI}NAME@ALIAS of MLflow"


def resolve_pool(spec: str, *, root: Path = Path()) -> Path:
    """Return the folder of the pool that `spec` names, for `network.estimator.load_pool`.

    Parameters
    ----------
    spec : the name of an arm (``full``: models/full) or of a fine-tuned model (``myfield`` or
        ``finetuned/myfield``), a folder with pool.json, or a version in MLflow's registry
        (``models:/pix2z-full/3``, ``models:/pix2z-full@champion``), which is downloaded once into
        `pool_cache`.
    root : folder with models/ and finetuned/.

    Raises
    ------
    InputError
        Nothing of that name; the message lists what there is.
    Pix2zError
        The store of MLflow cannot be reached.
    """
    if spec.startswith(_URI):
        return _registered_pool(spec)
    for folder in (root / MODELS / spec, root / FINETUNED / spec, root / spec, Path(spec)):
        if spec and (folder / "pool.json").is_file():
            return folder
    known = known_pools(root)
    here = f"one of {', '.join(known)}, {_EXPECTED}" if known else _EXPECTED
    raise InputError(f"model {spec!r}: not found; expected {here}")


def known_pools(root: Path) -> list[str]:
    """Names of the pools under models/ and finetuned/ that `resolve_pool` takes."""
    arms, tuned = (sorted((root / at).glob("*/pool.json")) for at in (MODELS, FINETUNED))
    return [path.parent.name for path in arms] + [f"{FINETUNED}/{p.parent.name}" for p in tuned]


def pool_cache() -> Path:
    """Return where downloaded pools are kept: pix2z/pools in the user's folder of caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pix2z/pools"


def _registered_pool(uri: str) -> Path:
    """Download the pool of a registered version, unless the cache holds it by its digest."""
    from mlflow.exceptions import MlflowException

    from pix2z.tracking.store import open_store

    try:
        store = open_store()
        version = _version(store.client, uri)
        digest = version.tags.get("pool_digest")
        if digest is None:
            raise InputError(f"{uri}: not a pool that pix2z registered; it has no tag pool_digest")
        folder: Path = pool_cache() / text_digest(digest)  # a folder name, whatever the tag
        if not (folder / "pool.json").is_file():
            _download(store, version, folder)
    except (MlflowException, OSError) as error:
        raise Pix2zError(f"{uri}: MLflow's store cannot be read ({_first_line(error)})") from error
    if read_json(folder / "pool.json").get("digest") != digest:
        raise Pix2zError(f"{folder}: not the pool of {uri}; delete the folder and try again")
    return folder


def _version(client: "MlflowClient", uri: str) -> "ModelVersion":
    """Look a version up by number or alias; raise InputError naming what the registry holds."""
    name, number, alias = _parsed(uri)
    models = {model.name: model for model in client.search_registered_models()}
    if name not in models:
        raise InputError(f"{uri}: no registered model {name!r}; expected {_listed(sorted(models))}")
    aliases = models[name].aliases
    if alias:
        if alias not in aliases:
            known = _listed(sorted(aliases))
            raise InputError(f"{uri}: {name} has no alias {alias!r}; expected {known}")
        number = str(aliases[alias])
    versions = {str(v.version): v for v in client.search_model_versions(f"name = '{name}'")}
    if number not in versions:
        known = _listed(sorted(versions, key=int))
        raise InputError(f"{uri}: {name} has no version {number!r}; expected {known}")
    return versions[number]


def _parsed(uri: str) -> tuple[str, str, str]:
    """Split a URI into name, version and alias, of which one is empty."""
    rest = uri.removeprefix(_URI)
    name, _, alias = rest.rpartition("@")
    if alias and name and "/" not in rest:
        return name, "", alias
    name, _, number = rest.partition("/")
    if not name or not number:
        raise InputError(f"{uri}: expected {_URI}NAME/VERSION or {_URI}NAME@ALIAS")
    return name, number, ""


def _listed(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}" if names else "nothing: the registry holds none"


def _download(store: "Store", version: "ModelVersion", folder: Path) -> None:
    """Bring the pool of a version into `folder`, whole or not at all."""
    from mlflow.artifacts import download_artifacts

    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".partial-") as scratch:
        model = store.client.get_model_version_download_uri(version.name, version.version)
        pool = f"{model}/artifacts/pool"
        found = Path(download_artifacts(pool, dst_path=scratch, tracking_uri=store.uri))
        shutil.rmtree(folder, ignore_errors=True)  # without pool.json it is no pool
        found.replace(folder)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
