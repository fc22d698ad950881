"""Versions of the registered models of pix2z, as values, and how a person names one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.errors import InputError

__all__ = [
    "CHAMPION",
    "LOCK",
    "PREVIOUS",
    "PRODUCTION",
    "Version",
    "find_version",
    "newest",
    "read_versions",
    "with_alias",
]

PRODUCTION = "pix2z"
"""The registered model whose champion is served."""
CHAMPION, PREVIOUS = "champion", "previous"
LOCK = "pix2z-promotion-lock"
"""The registered model that exists while a promotion or rollback writes."""

_URI, _FINETUNED = "models:/", "finetuned/"
_PAGE = 1000


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
        """Digest of its networks and their calibration; empty where pix2z did not register it."""
        return self.tags.get("pool_digest", "")

    @property
    def test_digest(self) -> str:
        """Digest of the test galaxies that it was not trained on; empty where not known."""
        return self.tags.get("test_digest", "")

    @property
    def source(self) -> str:
        """The version that it is a copy of, else itself."""
        return self.tags.get("source", self.label)


def read_versions(client: MlflowClient) -> list[Version]:
    """Every version of the models of redshift networks, by name, the newest first."""
    aliases = {model.name: model.aliases for model in _pages(client.search_registered_models)}
    found = [
        Version(
            name=version.name,
            number=int(version.version),
            run_id=version.run_id or "",
            created=version.creation_timestamp / 1000,
            tags=dict(version.tags),
            aliases=_aliases(aliases.get(version.name, {}), version.version),
        )
        for version in _pages(client.search_model_versions)
        if _is_ours(version.name)
    ]
    return sorted(found, key=lambda version: (version.name, -version.number))


def _pages(search: Any) -> Iterable[Any]:
    token = None
    while True:
        page = search(f"name LIKE '{PRODUCTION}%'", _PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _is_ours(name: str) -> bool:
    """Tell whether a registered model holds pools of redshift networks."""
    others = (LOCK, SPECTRUM_MODEL)
    return name == PRODUCTION or (name.startswith(f"{PRODUCTION}-") and name not in others)


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
    spec : an arm or a fine-tuned model (``full``: the newest of pix2z-full), or a version as
        ``pix2z-full/3``, ``models:/pix2z-full/3`` or ``models:/pix2z@previous``.

    Raises
    ------
    InputError
        There is none, or it holds no pool; the message says what there is.
    """
    rest = spec.removeprefix(_URI).removeprefix(_FINETUNED)
    if "@" in rest:
        name, _, alias = rest.rpartition("@")
        found = with_alias(versions, alias, _model(versions, name, spec))
    elif "/" in rest:
        name, _, number = rest.partition("/")
        model = _model(versions, name, spec)
        found = next((v for v in versions if v.label == f"{model}/{number}"), None)
    else:
        found = newest(versions, _model(versions, rest, spec))
    if found is None:
        known = ", ".join(sorted({v.label for v in versions}))
        raise InputError(f"model {spec!r}: no such version; expected one of {known}")
    if not found.pool_digest:
        raise InputError(f"model {spec!r}: {found.label} has no tag pool_digest; not of pix2z")
    return found


def _model(versions: Iterable[Version], name: str, spec: str) -> str:
    """Return the registered model that `name` stands for; `spec` is what the user wrote."""
    models = {version.name for version in versions}
    for model in (f"{PRODUCTION}-{name}", name):
        if model in models:
            return model
    known = sorted(model.removeprefix(f"{PRODUCTION}-") for model in models - {PRODUCTION})
    raise InputError(
        f"model {spec!r}: not registered; expected one of {', '.join(known)}, or a version as "
        f"{PRODUCTION}-{known[0] if known else 'full'}/1"
    )
