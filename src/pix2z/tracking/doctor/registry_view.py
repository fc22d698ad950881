"""The registry as checks look at it: read once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.tracking.promotion.versions import LOCK, PRODUCTION
from pix2z.tracking.store import Store

__all__ = ["Registry", "label", "read_registry"]

_PAGE = 1000
_LOGGED_PAGE = 100


@dataclass(frozen=True)
class Registry:
    """What the registry holds, and the folder that it is looked at from."""

    store: Store
    """With its experiments."""
    root: Path
    models: Mapping[str, RegisteredModel]
    """Name -> model, the promotion lock among them."""
    versions: tuple[ModelVersion, ...]
    """Newest first within a model."""
    logged: tuple[LoggedModel, ...]


def label(version: ModelVersion) -> str:
    """Return name and number, as ``pix2z-full/3``."""
    return f"{version.name}/{version.version}"


def read_registry(store: Store, root: Path) -> Registry:
    """Read models, versions and logged models of pix2z."""
    client = store.client
    ours = f"name LIKE '{PRODUCTION}%'"
    models = {
        model.name: model
        for model in _pages(lambda token: client.search_registered_models(ours, _PAGE, None, token))
        if _is_ours(model.name)
    }
    versions = [
        version
        for version in _pages(lambda token: client.search_model_versions(ours, _PAGE, None, token))
        if _is_ours(version.name)
    ]
    ids = [store.experiments["pix2z-train"]] if "pix2z-train" in store.experiments else []
    logged = (
        _pages(
            lambda token: client.search_logged_models(
                ids, max_results=_LOGGED_PAGE, page_token=token
            )
        )
        if ids
        else ()
    )
    return Registry(
        store=store,
        root=root,
        models=models,
        versions=tuple(sorted(versions, key=lambda v: (v.name, -int(v.version)))),
        logged=tuple(logged),
    )


def _is_ours(name: str) -> bool:
    """Tell whether it is a model of redshift networks, or the lock."""
    named_so = name in (PRODUCTION, LOCK) or name.startswith(f"{PRODUCTION}-")
    return named_so and name != SPECTRUM_MODEL


def _pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return
